-- name: create_schema
-- The owner of the schema is the role that migrates.
CREATE SCHEMA reconciler

-- name: migration_lock
-- One migration at a time; the lock ends with the connection. The number is "reconciler" on a phone's keys.
SELECT pg_catalog.pg_advisory_lock(7326624537)

-- name: migration_lock_timeout
-- Any role may hold that lock, so the wait for it has an end.
SELECT pg_catalog.set_config('lock_timeout', %(milliseconds)s::pg_catalog.text, false)

-- name: migration_lock_holder
-- Who holds the lock: its number is in two halves there.
SELECT l.pid, a.usename::pg_catalog.text
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted
    AND l.database OPERATOR(pg_catalog.=) (
        SELECT d.oid FROM pg_catalog.pg_database AS d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
    )
    AND l.classid OPERATOR(pg_catalog.=) 1::pg_catalog.oid AND l.objid OPERATOR(pg_catalog.=) 3031657241::pg_catalog.oid
    AND l.objsubid OPERATOR(pg_catalog.=) 1::pg_catalog.int2
LIMIT 1

-- name: migration_timeout
-- A migration that waits for a lock makes every later session wait too: the merchant's worker may hold outbox rows.
SELECT pg_catalog.set_config('lock_timeout', '3s', false)

-- name: migration_path
-- The migrations name their tables without a schema.
SET search_path TO reconciler, pg_temp

-- name: leases_table
-- Null before the first migration.
SELECT pg_catalog.to_regclass('reconciler.leases')::pg_catalog.oid

-- name: leases_held
-- A migration would change the tables under a process that works on an account.
SELECT account, holder
FROM reconciler.leases
WHERE expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
ORDER BY account

-- name: migrations_table
-- The table of applied migrations and the schema, each null if it does not exist.
SELECT pg_catalog.to_regclass('reconciler._yoyo_migration')::pg_catalog.oid, pg_catalog.to_regnamespace('reconciler')::pg_catalog.oid

-- name: migrations_applied
-- Every command asks this when it starts, to refuse a database of another version.
SELECT migration_id FROM reconciler._yoyo_migration

-- name: grant_right
-- One right of a role; the list of them is in grants.py.
{right}

-- name: revoke_right
-- A right that a role has, and that the list does not have.
{right}

-- name: current_role
-- The role that is connected, whether the schema exists, whether the role may do everything in it, and whether it is
-- recent enough to have the function that writes the ledger.
SELECT
    CURRENT_USER::pg_catalog.text,
    n.oid IS NOT NULL,
    coalesce(pg_catalog.pg_has_role(n.nspowner, 'USAGE'), false),
    EXISTS (
        SELECT FROM pg_catalog.pg_proc AS f
        WHERE f.pronamespace OPERATOR(pg_catalog.=) n.oid AND f.proname OPERATOR(pg_catalog.=) 'append_entries'
    )
FROM (SELECT pg_catalog.to_regnamespace('reconciler')::pg_catalog.oid AS oid) AS found
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) found.oid

-- name: role_exists
-- Asked before a migration, so that a misspelt role stops it while nothing has changed.
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) %(role)s)

-- name: role_is_owner
-- A superuser counts as a member of every role.
SELECT pg_catalog.pg_has_role(%(role)s::pg_catalog.name, n.nspowner, 'USAGE')
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname OPERATOR(pg_catalog.=) 'reconciler'

-- name: rights_of_role
-- Everything that a role may do in the schema, also through another role or PUBLIC. yoyo's other tables are its own affair.
-- PostgreSQL 17 brought MAINTAIN; an earlier one does not know the word.
WITH objects AS (
    SELECT c.oid, c.relname::pg_catalog.text AS name, c.relkind
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'reconciler'
)
SELECT 'TABLE', o.name, p.privilege, NULL::pg_catalog.text[]
FROM objects AS o
CROSS JOIN pg_catalog.unnest(pg_catalog.array_cat(
    ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'],
    CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 170000
        THEN ARRAY['MAINTAIN'] END
)) AS p (privilege)
WHERE o.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f'])
    AND pg_catalog.has_table_privilege(%(role)s::pg_catalog.name, o.oid, p.privilege)
UNION ALL
SELECT 'TABLE', o.name, p.privilege, pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attname)
FROM objects AS o
JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid OPERATOR(pg_catalog.=) o.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p (privilege)
WHERE o.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f'])
    AND pg_catalog.has_column_privilege(%(role)s::pg_catalog.name, o.oid, a.attnum, p.privilege)
    AND NOT pg_catalog.has_table_privilege(%(role)s::pg_catalog.name, o.oid, p.privilege)
GROUP BY o.name, p.privilege
UNION ALL
SELECT 'SEQUENCE', o.name, p.privilege, NULL
FROM objects AS o
CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS p (privilege)
WHERE o.relkind OPERATOR(pg_catalog.=) 'S'
    AND pg_catalog.has_sequence_privilege(%(role)s::pg_catalog.name, o.oid, p.privilege)
UNION ALL
SELECT
    'FUNCTION',
    pg_catalog.concat(f.proname, '(', pg_catalog.oidvectortypes(f.proargtypes), ')'),
    'EXECUTE', NULL
FROM pg_catalog.pg_proc AS f
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) f.pronamespace
WHERE n.nspname OPERATOR(pg_catalog.=) 'reconciler'
    AND pg_catalog.has_function_privilege(%(role)s::pg_catalog.name, f.oid, 'EXECUTE')
UNION ALL
SELECT 'SCHEMA', n.nspname::pg_catalog.text, p.privilege, NULL
FROM pg_catalog.pg_namespace AS n
CROSS JOIN pg_catalog.unnest(ARRAY['USAGE', 'CREATE']) AS p (privilege)
WHERE n.nspname OPERATOR(pg_catalog.=) 'reconciler'
    AND pg_catalog.has_schema_privilege(%(role)s::pg_catalog.name, n.oid, p.privilege)

-- name: ledger_role
-- Whether the owner of the ledger's functions may do more than that, and whether this role may act for it.
SELECT
    rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication,
    pg_catalog.pg_has_role(CURRENT_USER, oid, 'USAGE')
FROM pg_catalog.pg_roles
WHERE rolname OPERATOR(pg_catalog.=) 'reconciler_ledger'

-- name: create_ledger_role
-- It owns the functions that write the ledger, and nothing else.
CREATE ROLE reconciler_ledger NOLOGIN

-- name: join_ledger_role
-- Only a member may make it the owner, and replace the functions later.
GRANT reconciler_ledger TO CURRENT_USER

-- name: grant_ledger_role
-- What the functions need. CREATE is needed for the moment in which the owner changes.
GRANT USAGE, CREATE ON SCHEMA reconciler TO reconciler_ledger;
GRANT INSERT ON reconciler.ledger TO reconciler_ledger;
GRANT SELECT, INSERT, UPDATE ON reconciler.ledger_heads TO reconciler_ledger;
GRANT SELECT ON reconciler.leases TO reconciler_ledger;
GRANT SELECT (id), INSERT (account, discrepancy, author, claimed_by, note, attachment_name, attachment_sha256) ON reconciler.notes TO reconciler_ledger;
ALTER FUNCTION reconciler.append_entries(pg_catalog.text, pg_catalog.text[], pg_catalog.text[]) OWNER TO reconciler_ledger;
ALTER FUNCTION reconciler.append_ledger(pg_catalog.text, bigint, pg_catalog.text[], pg_catalog.text[]) OWNER TO reconciler_ledger;
ALTER FUNCTION reconciler.add_note(pg_catalog.text, bigint, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text) OWNER TO reconciler_ledger;
ALTER FUNCTION reconciler.append_note_entry() OWNER TO reconciler_ledger;
ALTER FUNCTION reconciler.note_entry_body(reconciler.notes) OWNER TO reconciler_ledger;
REVOKE CREATE ON SCHEMA reconciler FROM reconciler_ledger;

-- name: ledger_functions_owner
-- The role whose rights the functions have. A function that a migration has made anew belongs to the role that migrated.
SELECT pg_catalog.pg_get_userbyid(f.proowner)::pg_catalog.text
FROM pg_catalog.pg_proc AS f
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) f.pronamespace
WHERE n.nspname OPERATOR(pg_catalog.=) 'reconciler'
    AND f.proname OPERATOR(pg_catalog.=) ANY (ARRAY['append_ledger', 'append_entries', 'add_note', 'append_note_entry', 'note_entry_body'])
ORDER BY pg_catalog.pg_get_userbyid(f.proowner) OPERATOR(pg_catalog.=) 'reconciler_ledger'
LIMIT 1

-- name: schema_access
-- Whether the schema exists, whether this role may read it, whether it may write what a sweep writes, and whether it may
-- read which migrations were applied.
WITH wanted (name, privilege) AS (
    VALUES
        ('ledger', 'SELECT'), ('ledger_heads', 'SELECT'), ('leases', 'UPDATE'), ('rechecks', 'DELETE'),
        ('events', 'INSERT'), ('sweeps', 'UPDATE'), ('discrepancies', 'UPDATE'), ('outbox', 'INSERT'),
        ('reads', 'UPDATE'), ('services', 'UPDATE'), ('replicas', 'DELETE'), ('stored_ids', 'UPDATE'),
        ('table_bindings', 'INSERT'), ('acceptance_requests', 'SELECT'), ('configurations', 'UPDATE')
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
