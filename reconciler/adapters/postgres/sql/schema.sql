-- name: create_schema
-- The owner of the schema is the role that migrates.
CREATE SCHEMA reconciler

-- name: migration_lock
-- One migration at a time; the lock ends with the connection. The number is "reconciler" on a phone's keys.
SELECT pg_catalog.pg_advisory_lock(7326624537)

-- name: migration_timeout
-- A migration that waits for a lock makes every later session wait too: the merchant's worker may hold outbox rows.
SELECT pg_catalog.set_config('lock_timeout', '3s', false)

-- name: migration_path
-- The migrations name their tables without a schema.
SET search_path TO reconciler, pg_temp

-- name: migrations_table
-- The table of applied migrations and the schema, each null if it does not exist.
SELECT pg_catalog.to_regclass('reconciler._yoyo_migration')::pg_catalog.oid, pg_catalog.to_regnamespace('reconciler')::pg_catalog.oid

-- name: migrations_applied
-- Every command asks this when it starts, to refuse a database of another version.
SELECT migration_id FROM reconciler._yoyo_migration

-- name: grant_daemon
-- What the daemon's role may do, and nothing else.
GRANT USAGE ON SCHEMA reconciler TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO {role};
GRANT INSERT ON reconciler.ledger TO {role};
GRANT INSERT ON reconciler.notes TO {role};
GRANT INSERT ON reconciler.table_bindings TO {role};
GRANT INSERT, UPDATE ON
    reconciler.ledger_heads, reconciler.leases, reconciler.cursors, reconciler.sweep_requests,
    reconciler.discrepancies, reconciler.services, reconciler.stored_ids TO {role};
GRANT INSERT, UPDATE, DELETE ON
    reconciler.rechecks, reconciler.events, reconciler.outbox, reconciler.reads, reconciler.replicas,
    reconciler.sweeps TO {role};
GRANT EXECUTE ON FUNCTION reconciler.append_ledger(text, text[], text[]) TO {role};
GRANT EXECUTE ON FUNCTION reconciler.pause(text, double precision, text, text) TO {role};
GRANT EXECUTE ON FUNCTION reconciler.resume(text, text) TO {role};

-- name: grant_auditor
-- The database sets author and time of a note, so that an auditor cannot sign for another person.
GRANT USAGE ON SCHEMA reconciler TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO {role};
GRANT INSERT (account, discrepancy, note) ON reconciler.notes TO {role};

-- name: grant_worker
-- A worker of the merchant reads the outbox and marks rows as delivered. It can change nothing else.
GRANT USAGE ON SCHEMA reconciler TO {role};
GRANT SELECT ON reconciler.outbox TO {role};
GRANT UPDATE (delivered_at) ON reconciler.outbox TO {role};

-- name: schema_access
-- Whether the schema exists, whether this role may read it, whether it may write what a sweep writes, and whether it may
-- read which migrations were applied.
WITH wanted (name, privilege) AS (
    VALUES
        ('ledger', 'INSERT'), ('ledger_heads', 'UPDATE'), ('leases', 'UPDATE'), ('rechecks', 'DELETE'),
        ('events', 'INSERT'), ('sweeps', 'UPDATE'), ('discrepancies', 'UPDATE'), ('outbox', 'INSERT'),
        ('reads', 'UPDATE'), ('services', 'UPDATE'), ('replicas', 'DELETE'), ('stored_ids', 'UPDATE'),
        ('table_bindings', 'INSERT')
),
found AS (
    SELECT name, privilege, pg_catalog.to_regclass('reconciler.' OPERATOR(pg_catalog.||) name)::pg_catalog.oid AS relation
    FROM wanted
    -- to_regclass fails if the schema may not be used
    WHERE pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('reconciler')::pg_catalog.oid, 'USAGE')
)
SELECT
    pg_catalog.to_regnamespace('reconciler') IS NOT NULL AS is_there,
    pg_catalog.count(relation) OPERATOR(pg_catalog.=) (SELECT pg_catalog.count(*) FROM wanted)
        AND coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege(relation, 'SELECT')), false) AS may_read,
    pg_catalog.count(relation) OPERATOR(pg_catalog.=) (SELECT pg_catalog.count(*) FROM wanted)
        AND coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege(relation, privilege)), false)
        AND NOT pg_catalog.pg_is_in_recovery()
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off' AS may_write,
    pg_catalog.count(*) OPERATOR(pg_catalog.>) 0
        AND coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege(pg_catalog.to_regclass('reconciler._yoyo_migration')::pg_catalog.oid, 'SELECT')), false)
        AS may_read_migrations
FROM found

-- name: schemas_open_to_others
-- Who besides its owner may create objects in a schema on the search_path: a function there may be called in the place
-- of another one. Superusers may do everything, and this role does not attack itself.
SELECT n.nspname::pg_catalog.text,
    pg_catalog.array_agg(
        CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END
        ORDER BY a.grantee
    )
FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, position)
JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) path.name
CROSS JOIN LATERAL pg_catalog.aclexplode(
    COALESCE(n.nspacl, pg_catalog.acldefault('n', n.nspowner))
) AS a
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.grantee
WHERE a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
    AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner
    AND COALESCE(r.rolname OPERATOR(pg_catalog.<>) CURRENT_USER, true)
    AND NOT COALESCE(r.rolsuper, false)
GROUP BY path.position, n.nspname
ORDER BY path.position
