-- depends: 0012_table_bindings
-- Which accounts are paused: no row of the merchant is written then. Only the two functions write the table, each with its
-- entry in the ledger.

CREATE TABLE reconciler.pauses (
    account text PRIMARY KEY,
    since timestamptz NOT NULL,
    until timestamptz,
    asked_by text NOT NULL CHECK (asked_by <> '')
);
COMMENT ON TABLE reconciler.pauses IS 'The accounts of which no row of the merchant is written.';
COMMENT ON COLUMN reconciler.pauses.until IS 'When the pause ends by itself; NULL: it does not.';

CREATE FUNCTION reconciler.append_pause_entry(account text, action text, body text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
-- The ledger's own functions have other names in a later migration. The body is canonical JSON: its very letters are hashed.
BEGIN
    IF to_regprocedure('reconciler.append_entries(text, text[], text[])') IS NOT NULL THEN
        PERFORM reconciler.append_entries(account, ARRAY[action], ARRAY[body]);
    ELSE
        PERFORM reconciler.append_ledger(account, ARRAY[action], ARRAY[body]);
    END IF;
END
$$;

CREATE FUNCTION reconciler.pause(account text, seconds double precision, asked_by text, body text) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Returns when the pause ends. The entry comes first: it locks the ledger's head, for which every page that writes waits.
#variable_conflict use_column
DECLARE
    ends_at timestamptz;
BEGIN
    PERFORM reconciler.append_pause_entry(pause.account, 'pause', pause.body);
    INSERT INTO reconciler.pauses (account, since, until, asked_by)
    VALUES (pause.account, clock_timestamp(), clock_timestamp() + make_interval(secs => pause.seconds), pause.asked_by)
    ON CONFLICT (account) DO UPDATE
        SET since = excluded.since, until = excluded.until, asked_by = excluded.asked_by
    RETURNING until INTO ends_at;
    RETURN ends_at;
END
$$;

CREATE FUNCTION reconciler.resume(account text, body text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Returns whether the account was paused. If it was not, nothing is recorded.
#variable_conflict use_column
BEGIN
    DELETE FROM reconciler.pauses AS p WHERE p.account = resume.account;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM reconciler.append_pause_entry(resume.account, 'resume', resume.body);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION reconciler.append_pause_entry(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.pause(text, double precision, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.resume(text, text) FROM PUBLIC;
