-- whether our schema is there, whether this role may read it, and whether it may write what a pass writes
WITH wanted (name, privilege) AS (
    VALUES
        ('ledger', 'INSERT'), ('ledger_heads', 'UPDATE'), ('leases', 'UPDATE'), ('checks', 'DELETE'),
        ('events', 'INSERT'), ('sweeps', 'UPDATE'), ('discrepancies', 'UPDATE'), ('outbox', 'INSERT'),
        ('reads', 'UPDATE'), ('services', 'UPDATE'), ('replicas', 'DELETE')
),
found AS (
    SELECT name, privilege, to_regclass('reconciler.' || name)::oid AS relation
    FROM wanted
    -- to_regclass fails where the schema may not be used
    WHERE has_schema_privilege(to_regnamespace('reconciler')::oid, 'USAGE')
)
SELECT
    to_regnamespace('reconciler') IS NOT NULL AS is_there,
    count(relation) = (SELECT count(*) FROM wanted)
        AND coalesce(bool_and(has_table_privilege(relation, 'SELECT')), false) AS may_read,
    count(relation) = (SELECT count(*) FROM wanted)
        AND coalesce(bool_and(has_table_privilege(relation, privilege)), false)
        AND NOT pg_is_in_recovery()
        AND current_setting('transaction_read_only') = 'off' AS may_write
FROM found
