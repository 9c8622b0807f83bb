-- depends: 0015_history_of_payment
-- The queue of findings: who has looked at one, whose it is, since when it is open, and what people wrote about it.

ALTER TABLE reconciler.discrepancies
    ADD COLUMN order_reference text CHECK (order_reference <> ''),
    ADD COLUMN payment_created timestamptz,
    ADD COLUMN opened_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN seen_at timestamptz;
COMMENT ON COLUMN reconciler.discrepancies.order_reference IS 'The merchant''s order, if the mapping has one.';
COMMENT ON COLUMN reconciler.discrepancies.payment_created IS 'When the payment was created, by Stripe''s clock; the row''s time if Stripe has none.';
COMMENT ON COLUMN reconciler.discrepancies.opened_at IS 'When it was opened last. Its age and its due date count from here.';
COMMENT ON COLUMN reconciler.discrepancies.seen_at IS 'When a person looked at it since it was opened or changed; NULL: no person has.';

UPDATE reconciler.discrepancies SET
    opened_at = first_seen,
    payment_created = CASE
        WHEN evidence ->> 'created' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$'
        THEN (evidence ->> 'created')::timestamptz
    END,
    seen_at = CASE WHEN resolved_by IS NOT NULL OR owner IS NOT NULL THEN changed_at END;
UPDATE reconciler.discrepancies AS d SET seen_at = n.at
FROM (SELECT account, discrepancy, max(at) AS at FROM reconciler.notes GROUP BY account, discrepancy) AS n
WHERE n.account = d.account AND n.discrepancy = d.id AND d.seen_at IS NULL;

-- the page of a list, by the order in which it is asked for
CREATE INDEX discrepancies_by_amount ON reconciler.discrepancies (stake_amount DESC NULLS LAST, id DESC);
CREATE INDEX discrepancies_by_id ON reconciler.discrepancies (id);
CREATE INDEX discrepancies_of_order ON reconciler.discrepancies (account, order_reference) WHERE order_reference IS NOT NULL;
-- the steps of closing a period
CREATE INDEX ledger_of_periods ON reconciler.ledger (account, seq)
    WHERE action IN ('period_prepared', 'period_signed', 'period_reopened');

ALTER TABLE reconciler.notes
    ALTER COLUMN note DROP NOT NULL,
    ADD COLUMN claimed_by text CHECK (claimed_by <> ''),
    ADD COLUMN attachment_name text CHECK (attachment_name <> ''),
    ADD COLUMN attachment_sha256 text CHECK (attachment_sha256 ~ '^[0-9a-f]{64}$'),
    ADD COLUMN redacted_at timestamptz,
    ADD COLUMN redacted_by text CHECK (redacted_by <> ''),
    ADD CONSTRAINT notes_without_text_are_redacted CHECK (
        (redacted_at IS NOT NULL) = (note IS NULL) AND (redacted_at IS NULL) = (redacted_by IS NULL)
    ),
    ADD CONSTRAINT notes_attachment_is_whole CHECK (
        redacted_at IS NOT NULL OR (attachment_name IS NULL) = (attachment_sha256 IS NULL)
    );
COMMENT ON COLUMN reconciler.notes.note IS 'The text; NULL after reconciler note --redact. The ledger has its SHA-256.';
COMMENT ON COLUMN reconciler.notes.claimed_by IS 'The name of --by, which nothing has checked.';
COMMENT ON COLUMN reconciler.notes.attachment_sha256 IS 'SHA-256 of the file that the note names. The file itself is not stored.';

CREATE TABLE reconciler.payment_views (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL CHECK (subject <> ''),
    viewer text NOT NULL CHECK (viewer <> ''),
    role text NOT NULL DEFAULT session_user CHECK (role <> ''),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id)
);
CREATE INDEX payment_views_of_subject ON reconciler.payment_views (account, subject, at);
CREATE INDEX payment_views_by_time ON reconciler.payment_views (account, at);
COMMENT ON TABLE reconciler.payment_views IS 'Who looked at which payment. Housekeeping deletes old rows.';
COMMENT ON COLUMN reconciler.payment_views.subject IS 'The PaymentIntent, or row:<key>.';

CREATE FUNCTION reconciler.record_view(account text, names text[], viewer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Stores who looked at a payment, by its first name, and marks what is stored about it as seen. A discrepancy that a sweep
-- is writing is left as it is.
BEGIN
    INSERT INTO reconciler.payment_views (account, subject, viewer)
        VALUES (record_view.account, names[1], record_view.viewer);
    UPDATE reconciler.discrepancies AS d SET seen_at = now()
    WHERE d.account = record_view.account AND d.id = ANY (ARRAY(
        SELECT o.id FROM reconciler.discrepancies AS o
        WHERE o.account = record_view.account
            AND (o.subject = ANY (record_view.names) OR o.payment_intent = ANY (record_view.names))
            AND o.seen_at IS NULL
        ORDER BY o.id
        FOR NO KEY UPDATE SKIP LOCKED
    ));
END
$$;

CREATE FUNCTION reconciler.mark_noted_as_seen() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE reconciler.discrepancies AS d SET seen_at = now()
    WHERE d.account = NEW.account AND d.id = NEW.discrepancy AND d.seen_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER notes_are_views
    AFTER INSERT ON reconciler.notes
    FOR EACH ROW EXECUTE FUNCTION reconciler.mark_noted_as_seen();

CREATE OR REPLACE FUNCTION reconciler.note_entry_body(note reconciler.notes) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- canonical JSON: its very letters are hashed. A file's name may be redacted, so the ledger has only its hash
    SELECT concat(
        '{"asked_by":', to_json(note.author),
        CASE
            WHEN note.attachment_sha256 IS NOT NULL THEN concat(
                ',"attachment":{"name_sha256":"', encode(sha256(convert_to(note.attachment_name, 'UTF8')), 'hex'),
                '","sha256":"', note.attachment_sha256, '"}'
            )
        END,
        CASE WHEN note.claimed_by IS NOT NULL THEN concat(',"claimed_by":', to_json(note.claimed_by)) END,
        ',"discrepancy":', note.discrepancy,
        ',"note":', note.id,
        ',"sha256":"', encode(sha256(convert_to(note.note, 'UTF8')), 'hex'), '"}'
    )
$$;

DROP FUNCTION reconciler.add_note(text, bigint, text, text);

CREATE FUNCTION reconciler.add_note(
    account text, discrepancy bigint, author text, claimed_by text, note text, attachment_name text, attachment_sha256 text
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- A person's note through the service's role. The trigger adds the ledger's entry, which names the role that connected.
    INSERT INTO reconciler.notes (account, discrepancy, author, claimed_by, note, attachment_name, attachment_sha256)
    VALUES (
        add_note.account, add_note.discrepancy, add_note.author, add_note.claimed_by, add_note.note,
        add_note.attachment_name, add_note.attachment_sha256
    )
    RETURNING id
$$;

CREATE FUNCTION reconciler.redact_note(account text, note bigint, author text, claimed_by text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Blanks the text of a note and the name of its file. Their hashes stay in the ledger. Returns the number of the note's
-- discrepancy; NULL if the account has no such note, or if it was redacted before.
#variable_conflict use_column
DECLARE
    old reconciler.notes;
BEGIN
    SELECT * INTO old FROM reconciler.notes AS n
        WHERE n.account = redact_note.account AND n.id = redact_note.note AND n.redacted_at IS NULL
        FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE reconciler.notes AS n
        SET note = NULL, attachment_name = NULL, redacted_at = now(), redacted_by = redact_note.author
        WHERE n.account = old.account AND n.id = old.id;
    PERFORM reconciler.append_entries(old.account, ARRAY['note_redacted'], ARRAY[concat(
        '{"asked_by":', to_json(redact_note.author),
        CASE WHEN redact_note.claimed_by IS NOT NULL THEN concat(',"claimed_by":', to_json(redact_note.claimed_by)) END,
        ',"discrepancy":', old.discrepancy,
        ',"note":', old.id,
        ',"sha256":"', encode(sha256(convert_to(old.note, 'UTF8')), 'hex'), '"}'
    )]);
    RETURN old.discrepancy;
END
$$;

CREATE OR REPLACE FUNCTION reconciler.append_ledger(account text, epoch bigint, actions text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- The entries of a page, of a sweep or of a person. What the service does needs its lease, with the epoch of that lease.
DECLARE
    by_person constant text[] := ARRAY[
        'resolution', 'reopening', 'assignment', 'period_prepared', 'period_signed', 'period_reopened'
    ];
BEGIN
    IF cardinality(actions) IS DISTINCT FROM cardinality(bodies)
        OR NOT actions <@ (by_person || ARRAY[
            'correction', 'finding_opened', 'finding_changed', 'revert', 'rebind', 'day_totals', 'sweep'
        ])
        -- only a role that may bind an account to another table may say that it was bound
        OR 'rebind' = ANY (actions) AND NOT has_table_privilege(session_user, 'reconciler.table_bindings', 'UPDATE')
    THEN
        RAISE EXCEPTION 'reconciler.append_ledger takes no such entries' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF epoch IS NULL THEN
        -- what a person decides changes no row and needs no lease
        IF NOT actions <@ by_person
            OR EXISTS (SELECT FROM unnest(bodies) AS b (body) WHERE b.body::jsonb ->> 'asked_by' = 'service')
        THEN
            RAISE EXCEPTION 'reconciler.append_ledger takes only a person''s decision without a lease'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSE
        PERFORM FROM reconciler.leases AS l
            WHERE l.account = append_ledger.account AND l.epoch = append_ledger.epoch
                AND l.expires_at > clock_timestamp();
        IF NOT FOUND THEN
            RAISE EXCEPTION 'account % has no lease of epoch % now', append_ledger.account, append_ledger.epoch
                USING ERRCODE = 'RC001';
        END IF;
    END IF;
    IF cardinality(actions) > 0 THEN
        PERFORM reconciler.append_entries(append_ledger.account, actions, bodies);
    END IF;
END
$$;

REVOKE ALL ON FUNCTION reconciler.record_view(text, text[], text) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.mark_noted_as_seen() FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.add_note(text, bigint, text, text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.redact_note(text, bigint, text, text) FROM PUBLIC;

-- a role that had rights of before gets those that belong to them now
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_proc AS f, aclexplode(f.proacl) AS a
        WHERE f.oid = 'reconciler.append_ledger(text, bigint, text[], text[])'::regprocedure
            AND a.grantee NOT IN (0, f.proowner)
    LOOP
        EXECUTE format('GRANT SELECT, DELETE ON reconciler.payment_views TO %s', grantee);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION reconciler.record_view(text, text[], text),'
            ' reconciler.add_note(text, bigint, text, text, text, text, text),'
            ' reconciler.redact_note(text, bigint, text, text) TO %s', grantee);
    END LOOP;
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_attribute AS c, aclexplode(c.attacl) AS a
        WHERE c.attrelid = 'reconciler.notes'::regclass AND c.attname = 'note' AND a.privilege_type = 'INSERT'
            AND pg_get_userbyid(a.grantee) <> 'reconciler_ledger'
    LOOP
        EXECUTE format('GRANT SELECT ON reconciler.payment_views TO %s', grantee);
        EXECUTE format('GRANT INSERT (attachment_name, attachment_sha256) ON reconciler.notes TO %s', grantee);
        EXECUTE format('GRANT EXECUTE ON FUNCTION reconciler.record_view(text, text[], text) TO %s', grantee);
    END LOOP;
END
$$;
