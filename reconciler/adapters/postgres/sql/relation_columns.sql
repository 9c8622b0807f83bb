-- every column with the type beneath its domains
WITH RECURSIVE beneath (origin, oid, typmod, depth) AS (
    SELECT a.attnum, a.atttypid, a.atttypmod, 0
    FROM pg_attribute AS a
    WHERE a.attrelid = %(relation)s::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.origin, t.typbasetype, t.typtypmod, b.depth + 1
    FROM beneath AS b
    JOIN pg_type AS t ON t.oid = b.oid
    WHERE t.typtype = 'd'
)
SELECT
    a.attname::text,
    format_type(a.atttypid, a.atttypmod),
    n.nspname::text,
    t.typname::text,
    t.typcategory::text,
    CASE WHEN t.typname IN ('varchar', 'bpchar') AND b.typmod > 4 THEN b.typmod - 4 END,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
    has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
    has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
    a.attgenerated <> '',
    NOT a.attnotnull
FROM beneath AS b
JOIN pg_attribute AS a ON a.attrelid = %(relation)s::oid AND a.attnum = b.origin
JOIN pg_type AS t ON t.oid = b.oid AND t.typtype <> 'd'
JOIN pg_namespace AS n ON n.oid = t.typnamespace
ORDER BY a.attnum
