-- name: set_sample_timeout
-- For this transaction alone: a sample is worth some seconds of the database's time, and a slow view is left out.
SELECT pg_catalog.set_config('statement_timeout', %(timeout)s, true), pg_catalog.set_config('lock_timeout', '1s', true)

-- name: estimated_rows
-- How many rows a table has, as the planner believes; of a partitioned table all partitions together.
SELECT pg_catalog.sum(greatest(c.reltuples, 0))::bigint
FROM pg_catalog.pg_partition_tree(%(relation)s::pg_catalog.regclass) AS p
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) p.relid::pg_catalog.oid

-- name: sampled_rows
-- Some rows with every column as text, before it is known what the columns mean.
SELECT {columns}
FROM {table} AS t {sampled}
WHERE {condition}
{ordered}
LIMIT %(limit)s

-- name: sampled_json
-- One level of a document: each value as text, cut off, and without a client secret.
CASE WHEN pg_catalog.jsonb_typeof({column}::pg_catalog.jsonb) OPERATOR(pg_catalog.=) 'object' THEN (
    SELECT pg_catalog.jsonb_object_agg(
        e.key, pg_catalog.left(pg_catalog.regexp_replace(e.value, '_secret_.*$', '_secret_'), 300)
    )::pg_catalog.text
    FROM pg_catalog.jsonb_each_text({column}::pg_catalog.jsonb) AS e
) END

-- name: sampled_text
-- A value as text, cut off, and without a client secret: the secret never leaves the database.
pg_catalog.left(pg_catalog.regexp_replace({column}::pg_catalog.text, '_secret_.*$', '_secret_'), 300)

-- name: sampled_time
-- A time as seconds since 1970; one without a zone is read as UTC.
extract(epoch FROM {column})::pg_catalog.text

-- name: referenced_tables
-- The tables that single columns of a table refer to, with the text columns of theirs that may be read.
SELECT
    own.attname::pg_catalog.text,
    n.nspname::pg_catalog.text,
    c.relname::pg_catalog.text,
    other.attname::pg_catalog.text,
    text_column.attname::pg_catalog.text
FROM pg_catalog.pg_constraint AS f
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) f.confrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_attribute AS own ON own.attrelid OPERATOR(pg_catalog.=) f.conrelid AND own.attnum OPERATOR(pg_catalog.=) f.conkey[1]
JOIN pg_catalog.pg_attribute AS other ON other.attrelid OPERATOR(pg_catalog.=) f.confrelid AND other.attnum OPERATOR(pg_catalog.=) f.confkey[1]
JOIN pg_catalog.pg_attribute AS text_column ON text_column.attrelid OPERATOR(pg_catalog.=) f.confrelid
JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) text_column.atttypid AND t.typcategory OPERATOR(pg_catalog.=) 'S'
WHERE f.conrelid OPERATOR(pg_catalog.=) %(relation)s::pg_catalog.regclass AND f.contype OPERATOR(pg_catalog.=) 'f'
    AND pg_catalog.cardinality(f.conkey) OPERATOR(pg_catalog.=) 1 AND NOT text_column.attisdropped
    AND pg_catalog.has_column_privilege(c.oid, text_column.attnum, 'SELECT')
    AND pg_catalog.has_column_privilege(c.oid, other.attnum, 'SELECT')
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
ORDER BY f.conname, text_column.attnum
LIMIT 50

-- name: holds_currency_codes
-- Whether a column of a small table holds codes of three letters alone.
SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE s.code::pg_catalog.text OPERATOR(pg_catalog.~) '^[A-Za-z]{{3}}$')
FROM (SELECT {column} AS code FROM {table} LIMIT 500) AS s

-- name: currency_lookup
-- The text that a configuration holds for a code in a table next door; a person reads it, so it is written plainly.
(SELECT c.{code} FROM {table} c WHERE c.{key} = {own})
