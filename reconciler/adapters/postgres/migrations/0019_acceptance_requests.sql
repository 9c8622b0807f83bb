-- depends: 0018_retention
-- Stripe's outcome that a reviewer accepted on a page. The pages may write no row of the merchant, so the service or a
-- command carries it out, in the reviewer's name.

CREATE TABLE reconciler.acceptance_requests (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    discrepancy bigint NOT NULL,
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    row_key text CHECK (row_key <> ''),
    amount_differs boolean NOT NULL,
    note text NOT NULL CHECK (btrim(note) <> '' AND length(note) <= 20000),
    -- a user of the pages, so that this table cannot speak for a user of the operating system
    asked_by text NOT NULL CHECK (asked_by ~ '^web:.'),
    role text NOT NULL DEFAULT session_user CHECK (role <> ''),
    asked_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '1 day',
    status text NOT NULL DEFAULT 'asked' CHECK (status IN ('asked', 'done', 'refused')),
    answer text CHECK (answer <> ''),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id),
    FOREIGN KEY (account, discrepancy) REFERENCES reconciler.discrepancies (account, id),
    CONSTRAINT acceptance_requests_answered_says_what CHECK (status = 'asked' OR answer IS NOT NULL)
);
CREATE INDEX acceptance_requests_waiting ON reconciler.acceptance_requests (account, id) WHERE status = 'asked';
CREATE INDEX acceptance_requests_of_discrepancy ON reconciler.acceptance_requests (account, discrepancy);
COMMENT ON TABLE reconciler.acceptance_requests IS
    'What reviewers accepted on the finance pages. One that is still "asked" after expires_at has expired: no row was written for it.';
COMMENT ON COLUMN reconciler.acceptance_requests.fingerprint IS 'That of the discrepancy as the reviewer saw it. If it has changed, the request is refused.';
COMMENT ON COLUMN reconciler.acceptance_requests.row_key IS 'The row that is meant, if the discrepancy names several.';
COMMENT ON COLUMN reconciler.acceptance_requests.role IS 'The role that connected when it was stored.';
COMMENT ON COLUMN reconciler.acceptance_requests.answer IS 'What was done, or why not. While it is still "asked": why the last attempt failed.';

-- roles that had rights of before get those that belong to them now
DO $$
DECLARE
    grantee record;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee)) AS name, pg_get_userbyid(a.grantee) AS role
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = 'reconciler.discrepancies'::regclass AND a.privilege_type = 'SELECT'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON reconciler.acceptance_requests TO %s', grantee.name);
        -- the service
        IF has_table_privilege(grantee.role, 'reconciler.leases', 'UPDATE') THEN
            EXECUTE format(
                'GRANT UPDATE (answer, attempts, changed_at, next_attempt_at, status)'
                ' ON reconciler.acceptance_requests TO %s', grantee.name);
        -- the finance pages, which decide and hold no lease
        ELSIF has_column_privilege(grantee.role, 'reconciler.discrepancies', 'owner', 'UPDATE') THEN
            EXECUTE format(
                'GRANT INSERT (account, amount_differs, asked_by, discrepancy, fingerprint, note, row_key)'
                ' ON reconciler.acceptance_requests TO %s', grantee.name);
        END IF;
    END LOOP;
END
$$;
