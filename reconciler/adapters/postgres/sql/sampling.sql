-- name: set_sample_timeout
-- For this transaction alone: a sample is worth some seconds of the database's time, and a slow view is left out.
SELECT pg_catalog.set_config('statement_timeout', %(timeout)s, true), pg_catalog.set_config('lock_timeout', '1s', true)

-- name: estimated_rows
-- How many rows a table has, as the planner believes, or else by its size; of a partitioned table all partitions together.
SELECT pg_catalog.sum(
    CASE
        WHEN c.reltuples OPERATOR(pg_catalog.>) 0 THEN c.reltuples::pg_catalog.int8
        ELSE pg_catalog.pg_relation_size(c.oid) OPERATOR(pg_catalog./) 8192 OPERATOR(pg_catalog.*) 50
    END
)::bigint
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
-- Three levels of a document by their paths: each value as text, cut off, and without a client secret.
CASE WHEN pg_catalog.jsonb_typeof({column}::pg_catalog.jsonb) OPERATOR(pg_catalog.=) 'object' THEN (
    SELECT pg_catalog.jsonb_object_agg(
        leaf.path::pg_catalog.text,
        pg_catalog.left(
            pg_catalog.regexp_replace(
                leaf.value OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[], '_secret_.*$', '_secret_'
            ),
            300
        )
    )::pg_catalog.text
    FROM (
        SELECT pg_catalog.jsonb_build_array(a.key) AS path, a.value
        FROM pg_catalog.jsonb_each({column}::pg_catalog.jsonb) AS a
        WHERE pg_catalog.jsonb_typeof(a.value) OPERATOR(pg_catalog.<>) 'object'
        UNION ALL
        SELECT pg_catalog.jsonb_build_array(a.key, b.key), b.value
        FROM pg_catalog.jsonb_each({column}::pg_catalog.jsonb) AS a
        CROSS JOIN LATERAL pg_catalog.jsonb_each(
            CASE WHEN pg_catalog.jsonb_typeof(a.value) OPERATOR(pg_catalog.=) 'object' THEN a.value END
        ) AS b
        WHERE pg_catalog.jsonb_typeof(b.value) OPERATOR(pg_catalog.<>) 'object'
        UNION ALL
        SELECT pg_catalog.jsonb_build_array(a.key, b.key, c.key), c.value
        FROM pg_catalog.jsonb_each({column}::pg_catalog.jsonb) AS a
        CROSS JOIN LATERAL pg_catalog.jsonb_each(
            CASE WHEN pg_catalog.jsonb_typeof(a.value) OPERATOR(pg_catalog.=) 'object' THEN a.value END
        ) AS b
        CROSS JOIN LATERAL pg_catalog.jsonb_each(
            CASE WHEN pg_catalog.jsonb_typeof(b.value) OPERATOR(pg_catalog.=) 'object' THEN b.value END
        ) AS c
        WHERE pg_catalog.jsonb_typeof(c.value) OPERATOR(pg_catalog.<>) 'object'
    ) AS leaf
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

-- name: candidate_relations
-- Every table and view that this role may read something of, the partitioned table in the place of its partitions, with
-- the columns that may be read: name, type, whether it is text, a document or a list of texts, and the one column of its primary key.
SELECT
    n.nspname::pg_catalog.text,
    c.relname::pg_catalog.text,
    c.relkind::pg_catalog.text,
    columns.names,
    columns.kinds,
    (
        SELECT a.attname::pg_catalog.text
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
        WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisprimary AND i.indnkeyatts OPERATOR(pg_catalog.=) 1
    )
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) AS names,
        pg_catalog.array_agg(
            CASE
                WHEN coalesce(b.typname, t.typname) OPERATOR(pg_catalog.=) ANY (ARRAY['json', 'jsonb']) THEN 'json'
                WHEN t.typcategory OPERATOR(pg_catalog.=) 'S' THEN 'text'
                WHEN t.typname OPERATOR(pg_catalog.=) ANY (ARRAY['_text', '_varchar', '_bpchar']) THEN 'list'
                ELSE 'other'
            END
            ORDER BY a.attnum
        ) AS kinds
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
    LEFT JOIN pg_catalog.pg_type AS b ON b.oid OPERATOR(pg_catalog.=) t.typbasetype
    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
        AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
) AS columns
WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f'])
    AND NOT c.relispartition
    AND columns.names IS NOT NULL
    AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'reconciler'])
    AND n.nspname OPERATOR(pg_catalog.!~~) 'pg\_%%'
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
ORDER BY 1, 2

-- name: ids_in_relation
-- How many of some rows of a table hold an id of Stripe's in each column; filled into one statement for several tables.
SELECT {number}::pg_catalog.int4 AS number, ARRAY[{counts}]::pg_catalog.int8[] AS counts
FROM (SELECT {columns} FROM {table} AS t {ordered} LIMIT 500) AS s

-- name: holds_id
-- Whether a text begins as the id of a PaymentIntent, a Checkout Session or a charge does, holds a PaymentIntent's behind a
-- prefix without blanks, or is a document that names one.
pg_catalog.count(*) FILTER (
    WHERE pg_catalog.left({column}::pg_catalog.text, 20000) OPERATOR(pg_catalog.~) '^((pi|cs|ch|py)_[A-Za-z0-9_]{{10,}}|[^\s{{]{{0,80}}[^A-Za-z0-9_\s{{]pi_[A-Za-z0-9]{{10,}}|\s*\{{.*"pi_[A-Za-z0-9_]{{10,}})'
)

-- name: holds_id_in_document
-- Whether a document names a PaymentIntent.
pg_catalog.count(*) FILTER (WHERE pg_catalog.left({column}::pg_catalog.text, 20000) OPERATOR(pg_catalog.~) '"pi_[A-Za-z0-9_]{{10,}}')

-- name: holds_id_in_list
-- Whether a list of texts holds the id of a PaymentIntent.
pg_catalog.count(*) FILTER (WHERE pg_catalog.left({column}::pg_catalog.text, 20000) OPERATOR(pg_catalog.~) '[{{,"]pi_[A-Za-z0-9_]{{10,}}')

-- name: words_counted
-- How many rows hold each value of a status.
SELECT ({status})::pg_catalog.text, pg_catalog.count(*)
FROM {table} AS t
WHERE {condition}
GROUP BY 1
ORDER BY 2 DESC
LIMIT 200
