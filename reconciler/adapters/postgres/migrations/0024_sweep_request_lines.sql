-- depends: 0023_failed_attempts
-- The lines of a requested sweep, for the command that waits: a report of any length reaches it without being held in memory.

CREATE TABLE reconciler.sweep_request_lines (
    account text NOT NULL,
    request bigint NOT NULL,
    epoch bigint NOT NULL,
    page integer NOT NULL CHECK (page >= 0),
    lines jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array'),
    PRIMARY KEY (account, request, epoch, page),
    FOREIGN KEY (account, request) REFERENCES reconciler.sweep_requests (account, id) ON DELETE CASCADE
);
COMMENT ON TABLE reconciler.sweep_request_lines IS
    'The lines of a requested sweep in pages, until the command that asked has read them; the service deletes them after a day.';
COMMENT ON COLUMN reconciler.sweep_request_lines.epoch IS 'The lease under which the page was stored: another holder begins the sweep again.';

-- roles that had rights of before get those that belong to them now
DO $$
DECLARE
    grantee record;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee)) AS name, pg_get_userbyid(a.grantee) AS role
        FROM pg_class AS c, aclexplode(c.relacl) AS a
        WHERE c.oid = 'reconciler.sweep_requests'::regclass AND a.privilege_type = 'SELECT'
            AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON reconciler.sweep_request_lines TO %s', grantee.name);
        -- the service
        IF has_table_privilege(grantee.role, 'reconciler.leases', 'UPDATE') THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON reconciler.sweep_request_lines TO %s', grantee.name);
        END IF;
    END LOOP;
END
$$;
