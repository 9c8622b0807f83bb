-- depends: 0001_tables
-- The audit record: one hash chain an account, which can only grow.

CREATE TABLE reconciler.ledger (
    account text NOT NULL CHECK (account <> ''),
    seq bigint NOT NULL CHECK (seq > 0),
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (action <> ''),
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    prev text NOT NULL CHECK (prev ~ '^[0-9a-f]{64}$'),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (account, seq),
    CONSTRAINT ledger_first_has_no_past CHECK ((seq = 1) = (prev = repeat('0', 64)))
);
-- for the hourly limit, and for taking a pass back
CREATE INDEX ledger_corrections_at ON reconciler.ledger (account, at) WHERE action = 'correction';
CREATE INDEX ledger_corrections_of_sweep ON reconciler.ledger (account, (body -> 'sweep'))
    WHERE action IN ('correction', 'revert');
COMMENT ON TABLE reconciler.ledger IS
    'What was found, changed and decided. hash is SHA-256 of the canonical JSON of the other columns.';

CREATE TABLE reconciler.ledger_heads (
    account text PRIMARY KEY CHECK (account <> ''),
    seq bigint NOT NULL CHECK (seq >= 0),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ledger_heads_empty_is_genesis CHECK ((seq = 0) = (hash = repeat('0', 64)))
);
COMMENT ON TABLE reconciler.ledger_heads IS
    'The last entry of each chain: without it nobody would see that a tail was cut off.';

CREATE FUNCTION reconciler.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'reconciler.% refuses %: it is an audit record', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION reconciler.refuse_backward_head() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.account <> OLD.account OR NEW.seq <= OLD.seq THEN
        RAISE EXCEPTION 'reconciler.ledger_heads only moves forward'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciler.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION reconciler.refuse_change();

CREATE TRIGGER ledger_heads_stay
    BEFORE DELETE OR TRUNCATE ON reconciler.ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION reconciler.refuse_change();

CREATE TRIGGER ledger_heads_move_forward
    BEFORE UPDATE ON reconciler.ledger_heads
    FOR EACH ROW EXECUTE FUNCTION reconciler.refuse_backward_head();

-- also where session_replication_role would silence them
ALTER TABLE reconciler.ledger ENABLE ALWAYS TRIGGER ledger_is_append_only;
ALTER TABLE reconciler.ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_stay;
ALTER TABLE reconciler.ledger_heads ENABLE ALWAYS TRIGGER ledger_heads_move_forward;

-- the owner too: in a small shop the same role migrates and runs the service
REVOKE UPDATE, DELETE, TRUNCATE ON reconciler.ledger FROM CURRENT_USER;
REVOKE DELETE, TRUNCATE ON reconciler.ledger_heads FROM CURRENT_USER;

CREATE FUNCTION reconciler.append_ledger(account text, actions text[], bodies text[])
RETURNS TABLE (ord integer, seq bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
-- Adds entries to an account's chain, in order, and says which number each got.
-- The bodies are canonical JSON as text: their very letters are hashed, the jsonb is for reading.
#variable_conflict use_column
DECLARE
    head reconciler.ledger_heads;
    recorded_at constant timestamptz := transaction_timestamp();
    stamp constant text := to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    form text;
    previous text;
BEGIN
    IF cardinality(actions) = 0 THEN
        RETURN;
    END IF;
    INSERT INTO reconciler.ledger_heads (account, seq, hash)
        VALUES (append_ledger.account, 0, repeat('0', 64))
        ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM reconciler.ledger_heads AS heads
        WHERE heads.account = append_ledger.account FOR UPDATE;
    FOR position IN 1 .. cardinality(actions) LOOP
        previous := head.hash;
        head.seq := head.seq + 1;
        form := concat(
            '{"account":', to_json(append_ledger.account),
            ',"action":', to_json(actions[position]),
            ',"at":"', stamp,
            '","body":', bodies[position],
            ',"prev":"', previous,
            '","seq":', head.seq, '}'
        );
        head.hash := encode(sha256(convert_to(form, 'UTF8')), 'hex');
        INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash)
            VALUES (
                append_ledger.account, head.seq, recorded_at, actions[position],
                bodies[position]::jsonb, previous, head.hash
            );
        append_ledger.ord := position;
        append_ledger.seq := head.seq;
        RETURN NEXT;
    END LOOP;
    UPDATE reconciler.ledger_heads AS heads SET seq = head.seq, hash = head.hash
        WHERE heads.account = append_ledger.account;
END
$$;

REVOKE ALL ON FUNCTION reconciler.append_ledger(text, text[], text[]) FROM PUBLIC;
