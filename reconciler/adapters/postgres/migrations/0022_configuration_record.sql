-- depends: 0021_search_and_old_requests
-- The configuration with which each account was swept last, so that a changed one becomes an entry of the ledger; and
-- entries of migrations.

CREATE TABLE reconciler.configurations (
    account text PRIMARY KEY CHECK (account <> ''),
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    settings jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
    recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconciler.configurations IS
    'What decides results in the configuration of the last recorded sweep, without secrets. Each change is an entry of the ledger.';

CREATE OR REPLACE FUNCTION reconciler.append_ledger(account text, epoch bigint, actions text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- The entries of a page, of a sweep or of a person. What the service does needs its lease, with the epoch of that lease.
DECLARE
    by_person constant text[] := ARRAY[
        'resolution', 'reopening', 'assignment', 'period_prepared', 'period_signed', 'period_reopened', 'migration'
    ];
BEGIN
    IF cardinality(actions) IS DISTINCT FROM cardinality(bodies)
        OR NOT actions <@ (by_person || ARRAY[
            'correction', 'finding_opened', 'finding_changed', 'revert', 'rebind', 'day_totals', 'sweep', 'configuration'
        ])
        -- only a role that may bind an account to another table may say that it was bound, or that it has migrated
        OR actions && ARRAY['rebind', 'migration']
            AND NOT has_table_privilege(session_user, 'reconciler.table_bindings', 'UPDATE')
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
        -- the finance pages may call this function too, and have no lease
        IF NOT has_table_privilege(session_user, 'reconciler.leases', 'UPDATE') THEN
            RAISE EXCEPTION 'reconciler.append_ledger takes the entries of a sweep only from the service'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
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
        EXECUTE format('GRANT SELECT ON reconciler.configurations TO %s', grantee.name);
        IF has_table_privilege(grantee.role, 'reconciler.leases', 'UPDATE') THEN
            EXECUTE format('GRANT INSERT, UPDATE ON reconciler.configurations TO %s', grantee.name);
        END IF;
    END LOOP;
END
$$;
