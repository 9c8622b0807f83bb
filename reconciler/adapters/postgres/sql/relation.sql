-- a table by its name as stored; without a schema, the one that the search_path finds
SELECT
    c.oid::bigint,
    n.nspname::text,
    c.relname::text,
    c.relkind::text,
    has_schema_privilege(n.oid, 'USAGE'),
    -- the fourth bit stands for UPDATE; a view counts where it is simple or has a trigger for it
    (pg_relation_is_updatable(c.oid, true) & 4) = 4,
    row_security_active(c.oid),
    current_user::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE WHEN %(schema)s::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %(schema)s::text END
