-- depends: 0013_pauses
-- Only functions write the ledger. They have the rights of their owner, and the service's role has none of its own on the
-- ledger. migrate gives them to a role without login, if it can. Entries name the role that connected.

ALTER TABLE reconciler.ledger ADD COLUMN role text CHECK (role <> '');
COMMENT ON COLUMN reconciler.ledger.role IS
    'The role that connected (session_user), in the hash with "v": 2. NULL: written by the first recipe, which had no role.';

DROP FUNCTION reconciler.append_ledger(text, text[], text[]);

CREATE FUNCTION reconciler.append_entries(account text, actions text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
-- Adds entries to an account's chain, in order. Only the functions below may call it.
-- The bodies are canonical JSON as text: their very letters are hashed, the jsonb is for reading.
#variable_conflict use_column
DECLARE
    head reconciler.ledger_heads;
    first_seq bigint;
    recorded_at constant timestamptz := transaction_timestamp();
    stamp constant text := to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    opening constant text := concat('{"account":', to_json(append_entries.account), ',"action":');
    closing constant text := concat('","role":', to_json(session_user::text), ',"seq":');
    prevs text[];
    hashes text[];
BEGIN
    INSERT INTO reconciler.ledger_heads (account, seq, hash)
        VALUES (append_entries.account, 0, repeat('0', 64))
        ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM reconciler.ledger_heads AS heads
        WHERE heads.account = append_entries.account FOR UPDATE;
    first_seq := head.seq;
    FOR position IN 1 .. cardinality(actions) LOOP
        prevs[position] := head.hash;
        head.seq := head.seq + 1;
        head.hash := encode(sha256(convert_to(concat(
            opening, to_json(actions[position]), ',"at":"', stamp, '","body":', bodies[position],
            ',"prev":"', head.hash, closing, head.seq, ',"v":2}'
        ), 'UTF8')), 'hex');
        hashes[position] := head.hash;
    END LOOP;
    INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash, role)
        SELECT
            append_entries.account, first_seq + e.position, recorded_at, e.action, e.body::jsonb, e.prev, e.hash,
            session_user::text
        FROM unnest(actions, bodies, prevs, hashes) WITH ORDINALITY AS e (action, body, prev, hash, position);
    UPDATE reconciler.ledger_heads AS heads SET seq = head.seq, hash = head.hash
        WHERE heads.account = append_entries.account;
END
$$;

CREATE FUNCTION reconciler.append_ledger(account text, epoch bigint, actions text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- The entries of a page, of a sweep or of a person. What the service does needs its lease, with the epoch of that lease.
BEGIN
    IF cardinality(actions) IS DISTINCT FROM cardinality(bodies)
        OR NOT actions <@ ARRAY[
            'correction', 'finding_opened', 'finding_changed', 'resolution', 'reopening', 'revert', 'rebind', 'day_totals',
            'sweep'
        ]
        -- only a role that may bind an account to another table may say that it was bound
        OR 'rebind' = ANY (actions) AND NOT has_table_privilege(session_user, 'reconciler.table_bindings', 'UPDATE')
    THEN
        RAISE EXCEPTION 'reconciler.append_ledger takes no such entries' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF epoch IS NULL THEN
        -- what a person decides changes no row and needs no lease
        IF NOT actions <@ ARRAY['resolution', 'reopening']
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

CREATE FUNCTION reconciler.add_note(account text, discrepancy bigint, author text, note text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- A person's note through the service's role. The trigger adds the ledger's entry, which names the role that connected.
    INSERT INTO reconciler.notes (account, discrepancy, author, note)
    VALUES (add_note.account, add_note.discrepancy, add_note.author, add_note.note)
$$;

CREATE OR REPLACE FUNCTION reconciler.append_note_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM reconciler.append_entries(NEW.account, ARRAY['note'], ARRAY[reconciler.note_entry_body(NEW)]);
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION reconciler.append_entries(text, text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.append_ledger(text, bigint, text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.add_note(text, bigint, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.refuse_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.refuse_backward_head() FROM PUBLIC;

-- a role that could write the ledger itself may now call the functions instead, and delete no outbox row
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = 'reconciler.ledger'::regclass AND a.privilege_type = 'INSERT'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('REVOKE INSERT ON reconciler.ledger, reconciler.ledger_heads, reconciler.notes FROM %s', grantee);
        EXECUTE format('REVOKE UPDATE ON reconciler.ledger_heads FROM %s', grantee);
        EXECUTE format('REVOKE DELETE ON reconciler.outbox FROM %s', grantee);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION reconciler.append_ledger(text, bigint, text[], text[]),'
            ' reconciler.add_note(text, bigint, text, text) TO %s', grantee);
    END LOOP;
END
$$;
