-- name: row
-- The columns of a payment; filled into every statement that selects from the merchant's table.
coalesce({key}::pg_catalog.text, '') AS key,
NULLIF({shown_intent}, '') AS payment_intent,
{status}::pg_catalog.text AS status,
{amount}::pg_catalog.text AS amount,
{currency}::pg_catalog.text AS currency,
{created} AS created,
{order}::pg_catalog.text AS order_reference,
NULLIF({stored_id}, '') AS stored_id,
{refunded_at} AS refunded_at

-- name: holds_secret
-- Whether the column holds a client secret. It is only asked for here: a secret never leaves the database.
{column}::pg_catalog.text OPERATOR(pg_catalog.~) '^(pi|cs|seti)_[A-Za-z0-9_]+_secret_'

-- name: intent_without_secret
-- The id in front of a client secret, or the whole text.
CASE WHEN {holds_secret} THEN pg_catalog.split_part({column}::pg_catalog.text, '_secret_', 1) ELSE {column}::pg_catalog.text END

-- name: stored_id
-- The text that a write compares: a client secret is another text than its id, and does not show itself.
CASE WHEN {holds_secret} THEN pg_catalog.split_part({column}::pg_catalog.text, '_secret_', 1) OPERATOR(pg_catalog.||) ' client secret' ELSE {column}::pg_catalog.text END

-- name: is_looked_up
-- Whether the column holds a Checkout Session or a charge.
pg_catalog.left({column}::pg_catalog.text, 3) OPERATOR(pg_catalog.=) ANY (ARRAY['cs_', 'ch_', 'py_'])

-- name: paired_intent
-- The intent of a row, also if the row holds a Checkout Session or a charge of it.
CASE WHEN {is_looked_up}
    THEN coalesce(
        (
            SELECT s.payment_intent FROM reconciler.stored_ids AS s
            WHERE s.account OPERATOR(pg_catalog.=) %(account)s AND s.stored_id OPERATOR(pg_catalog.=) {intent}::pg_catalog.text
        ),
        {intent}::pg_catalog.text
    )
    ELSE {intent}::pg_catalog.text
END

-- name: ids_sampled
-- What the newest rows hold.
SELECT newest.id, newest.holds_secret
FROM (
    SELECT {shown_intent} AS id, {holds_secret} AS holds_secret
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {created_column} IS NOT NULL AND {in_mapping}
    ORDER BY {created_column} DESC
    LIMIT %(limit)s
) AS newest
WHERE newest.id OPERATOR(pg_catalog.~) '\S'

-- name: rows_of_intents
-- The rows that hold one of a page's intents.
SELECT {row}
FROM {table} AS t
WHERE {payment_intent} {equals_intent} ANY({intents}) AND {of_account}
ORDER BY {key}

-- name: rows_again
-- In order of key, so that two transactions that lock the same rows never wait for each other in a circle.
SELECT {row}
FROM {table} AS t
WHERE {by_intent_or_key}
    AND {of_account}
ORDER BY {key}
{locking}

-- name: by_intent_or_key
-- Filled into rows_again.
({payment_intent} {equals_intent} ANY({intents}) OR {key} {equals_key} ANY(%(keys)s::{key_type}[]))

-- name: by_intent_or_key_in_one_scan
-- As by_intent_or_key, for a table without an index on the intent: the scan finds keys, and the keys have an index.
-- A row without a key equals no key, so it is looked for by the same index and its intent.
(
    {key} {equals_key} ANY(
        ARRAY(SELECT {key} FROM {table} AS t WHERE {payment_intent} {equals_intent} ANY({intents}) AND {of_account})
        OPERATOR(pg_catalog.||) %(keys)s::{key_type}[]
    )
    OR ({key} IS NULL AND {payment_intent} {equals_intent} ANY({intents}))
)

-- name: rows_claimable
-- Rows without an intent, by order. At most 100 for each order: a value that 1,000 rows share names no order.
SELECT claimable.*
FROM pg_catalog.unnest(%(orders)s::{order_type}[]) AS named (value)
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} {equals_order} named.value AND ({payment_intent} IS NULL OR {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.=) '') AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS claimable

-- name: rows_claimable_in_one_scan
-- As rows_claimable, for a table without an index on the order: one scan, and not one for each order.
SELECT
    found.key, found.payment_intent, found.status, found.amount, found.currency, found.created, found.order_reference,
    found.stored_id, found.refunded_at
FROM (
    SELECT {row}, pg_catalog.row_number() OVER (PARTITION BY named.value ORDER BY {key}) AS place
    FROM pg_catalog.unnest(%(orders)s::{order_type}[]) AS named (value)
    JOIN {table} AS t ON {order} {equals_order} named.value
    WHERE ({payment_intent} IS NULL OR {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.=) '') AND {of_account}
) AS found
WHERE found.place OPERATOR(pg_catalog.<=) 100

-- name: rows_paid
-- The paid rows of the orders that these intents' rows have, and of the orders named.
SELECT paid.*
FROM (
    SELECT {order} AS value
    FROM {table} AS t
    WHERE {payment_intent} {equals_intent} ANY({intents})
        AND {of_account} AND {order} IS NOT NULL AND {order}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    UNION
    SELECT pg_catalog.unnest(%(orders)s::{order_type}[])
) AS page
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} {equals_order} page.value AND {status} {equals_status} ANY(%(paid)s::{status_type}[]) AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS paid

-- name: rows_paid_in_one_scan
-- As rows_paid, for a table without an index on the order. The orders of the intents are found by the index on the intent.
SELECT
    found.key, found.payment_intent, found.status, found.amount, found.currency, found.created, found.order_reference,
    found.stored_id, found.refunded_at
FROM (
    SELECT {row}, pg_catalog.row_number() OVER (PARTITION BY page.value ORDER BY {key}) AS place
    FROM (
        SELECT {order} AS value
        FROM {table} AS t
        WHERE {payment_intent} {equals_intent} ANY({intents})
            AND {of_account} AND {order} IS NOT NULL AND {order}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        UNION
        SELECT pg_catalog.unnest(%(orders)s::{order_type}[])
    ) AS page
    JOIN {table} AS t ON {order} {equals_order} page.value
    WHERE {status} {equals_status} ANY(%(paid)s::{status_type}[]) AND {of_account}
) AS found
WHERE found.place OPERATOR(pg_catalog.<=) 100

-- name: rows_of_intents_and_orders
-- One scan for the rows of rows_of_intents, rows_claimable and rows_paid, for a table without an index on the intent.
SELECT
    ranked.key, ranked.payment_intent, ranked.status, ranked.amount, ranked.currency, ranked.created, ranked.order_reference,
    ranked.stored_id, ranked.refunded_at,
    ranked.is_held,
    ranked.is_named AND ranked.is_claimable AND ranked.place_of_claimable OPERATOR(pg_catalog.<=) 100,
    ranked.is_named AND ranked.is_paid AND ranked.place_of_paid OPERATOR(pg_catalog.<=) 100
FROM (
    SELECT
        found.*,
        pg_catalog.row_number() OVER (PARTITION BY found.order_value, found.is_claimable ORDER BY found.key_value) AS place_of_claimable,
        pg_catalog.row_number() OVER (PARTITION BY found.order_value, found.is_paid ORDER BY found.key_value) AS place_of_paid
    FROM (
        SELECT
            {row}, {key} AS key_value, {order} AS order_value,
            ({payment_intent} {equals_intent} ANY({intents})) IS TRUE AS is_held,
            ({order} {equals_order} ANY(SELECT pg_catalog.unnest(%(orders)s::{order_type}[]))) IS TRUE AS is_named,
            ({payment_intent} IS NULL OR {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.=) '') AS is_claimable,
            ({status} {equals_status} ANY(%(paid)s::{status_type}[])) IS TRUE AS is_paid
        FROM {table} AS t
        WHERE {of_account}
    ) AS found
    WHERE found.is_held OR (found.is_named AND (found.is_claimable OR found.is_paid))
) AS ranked
ORDER BY ranked.key_value

-- name: references
-- A page ends with all rows of its last key, and rows without a key are left out: no next page could begin after one.
SELECT {key}::pg_catalog.text, {shown_intent}, {holds_secret}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account} AND {of_kind} AND {after}
ORDER BY {key}
FETCH FIRST %(limit)s ROWS WITH TIES

-- name: references_count
-- How many rows a source would ask Stripe about.
SELECT pg_catalog.count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}

-- name: references_newest
-- The newest rows prove that the key belongs to this table.
SELECT {key}::pg_catalog.text, {shown_intent}, {holds_secret}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    AND {key} IS NOT NULL AND {created_column} IS NOT NULL AND {of_account}
ORDER BY {created_column} DESC
LIMIT %(limit)s

-- name: is_same_row
-- A refused correction waits only while the row is the one that was refused.
(
    c.reason OPERATOR(pg_catalog.!~~) 'refused by the table: %%'
    OR pg_catalog.starts_with(
        c.reason, pg_catalog.concat_ws(' ', 'refused by the table:', {status}::pg_catalog.text, {amount}::pg_catalog.text, {currency}::pg_catalog.text, '->')
    )
)

-- name: is_due
-- No recheck of this row's intent lies in the future; filled into the statements that find open rows.
NOT EXISTS (
    SELECT FROM reconciler.rechecks AS c
    WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.payment_intent OPERATOR(pg_catalog.=) {paired_intent} AND c.due_at OPERATOR(pg_catalog.>) %(due_by)s
        AND {is_same_row}
)

-- name: is_due_by_key
-- As is_due, row by row: in order of a key and with a limit, PostgreSQL may otherwise compare every row with every
-- recheck.
coalesce(
    (
        SELECT c.due_at FROM reconciler.rechecks AS c
        WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.payment_intent OPERATOR(pg_catalog.=) {paired_intent} AND {is_same_row}
    ),
    '-infinity'
) OPERATOR(pg_catalog.<=) %(due_by)s

-- name: histogram
-- All rows of a range counted by time, and apart from them the due rows, so that rechecks are joined with those alone.
SELECT b.start, pg_catalog.sum(b.rows)::bigint, pg_catalog.sum(b.due)::bigint
FROM (
    SELECT pg_catalog.date_bin(%(width)s::interval, {created}, 'epoch'::pg_catalog.timestamptz) AS start, pg_catalog.count(*) AS rows, 0 AS due
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {within} AND {of_account}
    GROUP BY 1
    UNION ALL
    SELECT pg_catalog.date_bin(%(width)s::interval, {created}, 'epoch'::pg_catalog.timestamptz), 0, pg_catalog.count(*)
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {of_status} AND {within} AND {of_account}
    GROUP BY 1
) AS b
GROUP BY b.start
ORDER BY b.start

-- name: histogram_span
-- The first and last time of the due rows, and how many rows have no time.
SELECT pg_catalog.min({created}), pg_catalog.max({created}), pg_catalog.count(*) FILTER (WHERE {created} IS NULL)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}

-- name: due_row
-- The columns of a due row, in every statement that searches for them.
{key}::pg_catalog.text, {shown_intent}, {holds_secret}, {paired_shown}, {created}

-- name: due_rows
-- Open rows that no later recheck waits for, looked for in the whole table.
SELECT {due_row}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
    AND {key} IS NOT NULL AND {of_status} AND {of_account}
LIMIT %(limit)s

-- name: due_rows_among
-- The same among the rows of some ids and the rows that may be new. Two statements in one: each uses its own index.
(
    SELECT {due_row}
    FROM {table} AS t
    WHERE {payment_intent} {equals_intent} ANY({intents}) AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        AND {key} IS NOT NULL AND {of_status} AND {of_account}
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT {due_row}
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}
    LIMIT %(limit)s
)

-- name: rows_in_gaps
-- How many rows the gaps between due rows hold. Each is counted no further than decides whether a list may cover it.
SELECT counted.rows
FROM unnest(%(since)s::{bound_type}[], %(until)s::{bound_type}[]) WITH ORDINALITY AS gap (since, until, number)
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS rows
    FROM (
        SELECT FROM {table} AS t
        WHERE {created_column} OPERATOR(pg_catalog.>=) gap.since AND {created_column} OPERATOR(pg_catalog.<) gap.until
            AND {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
            AND {key} IS NOT NULL AND {of_account}
        LIMIT %(most)s
    ) AS held
) AS counted
ORDER BY gap.number

-- name: rows_in_gaps_in_one_scan
-- As rows_in_gaps, for a table without an index on the time: one scan, and not one for each gap. A gap begins and ends
-- at a bound, so its rows are those after an odd number of bounds.
SELECT (gap.number OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog./) 2, gap.rows
FROM (
    SELECT pg_catalog.width_bucket({created}, %(bounds)s::pg_catalog.timestamptz[]) AS number, pg_catalog.count(*) AS rows
    FROM {table} AS t
    WHERE {within} AND {created} IS NOT NULL
        AND {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''
        AND {key} IS NOT NULL AND {of_account}
    GROUP BY 1
) AS gap
WHERE gap.number OPERATOR(pg_catalog.%%) 2 OPERATOR(pg_catalog.=) 1

-- name: rows_near_due
-- All rows of some ranges counted by time.
SELECT pg_catalog.date_bin(%(width)s::interval, {created}, 'epoch'::pg_catalog.timestamptz), pg_catalog.count(*)
FROM unnest(%(since)s::{bound_type}[], %(until)s::{bound_type}[]) AS near (since, until)
JOIN {table} AS t
    ON {created_column} OPERATOR(pg_catalog.>=) near.since AND {created_column} OPERATOR(pg_catalog.<) near.until
WHERE {created} IS NOT NULL AND {payment_intent} IS NOT NULL
    AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) '' AND {key} IS NOT NULL AND {of_account}
GROUP BY 1

-- name: update_rows
-- Only if the row is still as it was compared. The status comes back as a trigger may have changed it.
UPDATE {table} AS t
SET {assignments}
FROM unnest(
    %(keys)s::{key_type}[], %(payment_intents)s::pg_catalog.text[], %(statuses)s::pg_catalog.text[], %(amounts)s::pg_catalog.text[],
    %(currencies)s::pg_catalog.text[], %(to_statuses)s::{status_type}[], %(to_intents)s::{payment_intent_type}[],
    %(links)s::boolean[], %(sets)s::pg_catalog.text[], %(restores)s::pg_catalog.jsonb[]
) AS w (key, stored_id, status, amount, currency, to_status, to_intent, links, sets, restores)
WHERE {key} {equals_key} w.key AND {of_account_in_update}
    AND NULLIF({stored_id}, '') IS NOT DISTINCT FROM w.stored_id
    AND {status}::pg_catalog.text IS NOT DISTINCT FROM w.status
    AND {amount}::pg_catalog.text IS NOT DISTINCT FROM w.amount
    AND {currency}::pg_catalog.text IS NOT DISTINCT FROM w.currency
    AND {not_held}
RETURNING {key}::pg_catalog.text, {status}::pg_catalog.text, NULLIF({shown_intent}, '')

-- name: not_held_by_another
-- Filled into update_rows if it writes the intent: no other row may hold that intent already.
NOT EXISTS (
    SELECT FROM {table} AS other
    WHERE w.links AND {other_intent} {equals_intent} w.to_intent AND NOT other.{key} {equals_key} w.key
)

-- name: relation
-- A table by its name as stored; without a schema, the table that the search_path finds.
SELECT
    c.oid::bigint,
    n.nspname::pg_catalog.text,
    c.relname::pg_catalog.text,
    c.relkind::pg_catalog.text,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
    -- the fourth bit stands for UPDATE; a view counts if it is simple or has a trigger for it
    (pg_catalog.pg_relation_is_updatable(c.oid, true) OPERATOR(pg_catalog.&) 4) OPERATOR(pg_catalog.=) 4,
    pg_catalog.row_security_active(c.oid),
    current_user::pg_catalog.text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.=) %(name)s
    AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f'])
    AND CASE WHEN %(schema)s::pg_catalog.text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname OPERATOR(pg_catalog.=) %(schema)s::pg_catalog.text END

-- name: relation_columns
-- Every column, with the type that its domains are based on.
WITH RECURSIVE beneath (origin, oid, typmod, depth) AS (
    SELECT a.attnum, a.atttypid, a.atttypmod, 0
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) %(relation)s::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.origin, t.typbasetype, t.typtypmod, b.depth OPERATOR(pg_catalog.+) 1
    FROM beneath AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
)
SELECT
    a.attname::pg_catalog.text,
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    n.nspname::pg_catalog.text,
    t.typname::pg_catalog.text,
    t.typcategory::pg_catalog.text,
    CASE WHEN t.typname OPERATOR(pg_catalog.=) ANY (ARRAY['varchar', 'bpchar']) AND b.typmod OPERATOR(pg_catalog.>) 4 THEN b.typmod OPERATOR(pg_catalog.-) 4 END,
    ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid ORDER BY e.enumsortorder),
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
    a.attgenerated OPERATOR(pg_catalog.<>) '',
    NOT a.attnotnull,
    -- equality and order of a type of the merchant's, such as citext: no name on the search_path may stand for them
    coalesce(o.equals, ARRAY['pg_catalog', '=']),
    coalesce(o.greater, ARRAY['pg_catalog', '>'])
FROM beneath AS b
JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) %(relation)s::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.=) b.origin
JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid AND t.typtype OPERATOR(pg_catalog.<>) 'd'
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
LEFT JOIN LATERAL (
    SELECT
        pg_catalog.max(ARRAY[s.nspname::pg_catalog.text, p.oprname::pg_catalog.text])
            FILTER (WHERE m.amopstrategy OPERATOR(pg_catalog.=) 3) AS equals,
        pg_catalog.max(ARRAY[s.nspname::pg_catalog.text, p.oprname::pg_catalog.text])
            FILTER (WHERE m.amopstrategy OPERATOR(pg_catalog.=) 5) AS greater
    FROM pg_catalog.pg_opclass AS c
    JOIN pg_catalog.pg_am AS i ON i.oid OPERATOR(pg_catalog.=) c.opcmethod AND i.amname OPERATOR(pg_catalog.=) 'btree'
    JOIN pg_catalog.pg_amop AS m
        ON m.amopfamily OPERATOR(pg_catalog.=) c.opcfamily AND m.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
        AND m.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
    JOIN pg_catalog.pg_operator AS p ON p.oid OPERATOR(pg_catalog.=) m.amopopr
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) p.oprnamespace
    WHERE c.opcdefault AND c.opcintype OPERATOR(pg_catalog.=) t.oid
) AS o ON true
ORDER BY a.attnum

-- name: relation_indexes
-- The columns of each index that lookups can use; a partial index only if it leaves out nothing but nulls.
SELECT
    ARRAY(
        SELECT a.attname::pg_catalog.text
        FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum
        WHERE k.position OPERATOR(pg_catalog.<=) i.indnkeyatts
        ORDER BY k.position
    ),
    i.indisunique AND i.indpred IS NULL
FROM pg_catalog.pg_index AS i
LEFT JOIN pg_catalog.pg_attribute AS first ON first.attrelid OPERATOR(pg_catalog.=) i.indrelid AND first.attnum OPERATOR(pg_catalog.=) i.indkey[0]
WHERE i.indrelid OPERATOR(pg_catalog.=) %(relation)s::pg_catalog.oid
    AND i.indisvalid
    AND (i.indpred IS NULL OR pg_catalog.pg_get_expr(i.indpred, i.indrelid) OPERATOR(pg_catalog.=) pg_catalog.format('(%%I IS NOT NULL)', first.attname))

-- name: relation_names
-- The names of all tables and views, to suggest the nearest to a misspelt one.
SELECT pg_catalog.format('%%s.%%s', n.nspname, c.relname)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f'])
    AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'reconciler'])
    AND n.nspname OPERATOR(pg_catalog.!~~) 'pg\_%%'
ORDER BY 1
LIMIT 2000

-- name: rows_to_try
-- Rows whose present status could be corrected, for the doctor. No order: a sort would read the whole table.
SELECT {row}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) '' AND {key} IS NOT NULL
    AND {status} {equals_status} ANY(%(statuses)s::{status_type}[]) AND {of_account}
LIMIT %(limit)s
{locking}

-- name: outward_functions
-- The functions of triggers on the table, on the tables below a view and on partitions, that may act outside of the
-- database. The languages internal and C are untrusted too, but the functions of PostgreSQL itself act inside.
WITH RECURSIVE below (relation) AS (
    SELECT %(relation)s::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT found.relation
    FROM below AS b
    CROSS JOIN LATERAL (
        SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent OPERATOR(pg_catalog.=) b.relation
        UNION ALL
        SELECT d.refobjid
        FROM pg_catalog.pg_rewrite AS r
        JOIN pg_catalog.pg_depend AS d
            ON d.objid OPERATOR(pg_catalog.=) r.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        WHERE r.ev_class OPERATOR(pg_catalog.=) b.relation
    ) AS found (relation)
)
SELECT DISTINCT p.proname::pg_catalog.text
FROM below AS b
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid OPERATOR(pg_catalog.=) b.relation AND NOT t.tgisinternal
JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'
    AND t.tgenabled OPERATOR(pg_catalog.<>) 'D'
    AND (
        (NOT l.lanpltrusted AND l.lanname OPERATOR(pg_catalog.<>) 'sql')
        OR p.prosrc OPERATOR(pg_catalog.~*)
            '(dblink|http_(get|post|put|delete|patch|head)|[^a-z_]http *[(]|program|lo_export|pg_(read|write)_file|pg_file_)'
    )
ORDER BY 1

-- name: open_payments_by_status
-- How many open rows there are, by the local status, for the status command: those that hold an intent, and all of them.
SELECT
    pg_catalog.rtrim({status}::pg_catalog.text),
    pg_catalog.count(*) FILTER (WHERE {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.<>) ''),
    pg_catalog.count(*)
FROM {table} AS t
WHERE {status} {equals_status} ANY(%(open)s::{status_type}[]) AND {of_account}
GROUP BY 1

-- name: count_open_without_intent
-- Open rows that a sweep of due cannot examine, because it reads intents. The bound ends the count in a large table.
SELECT pg_catalog.count(*)
FROM (
    SELECT 1
    FROM {table} AS t
    WHERE ({payment_intent} IS NULL OR {payment_intent}::pg_catalog.text OPERATOR(pg_catalog.=) '')
        AND {status} {equals_status} ANY(%(open)s::{status_type}[]) AND {of_account}
    LIMIT %(limit)s
) AS found

-- name: is_of_no_account
-- Whether the row belongs to no configured account.
CASE
    WHEN {account} IS NULL THEN NOT %(null_is_held)s::pg_catalog.bool
    ELSE NOT {account} {equals_account} ANY(%(held)s::{account_type}[])
END

-- name: rows_of_no_account
-- Rows that no sweep examines, by what the account column holds. The sums over all values come with each line.
SELECT
    pg_catalog.rtrim({account}::pg_catalog.text), pg_catalog.count(*),
    (pg_catalog.sum(pg_catalog.count(*)) OVER ())::pg_catalog.int8, pg_catalog.count(*) OVER ()
FROM {table} AS t
WHERE {is_of_no_account} AND {where}
GROUP BY 1
ORDER BY 2 DESC, 1
LIMIT %(most)s

-- name: rows_of_orders
-- Before a row is made failed or canceled, every row of its order counts: of any account, mapped or not. At most 101 an
-- order, which shows that there are more than 100: an order that 1,000 rows share is no order.
SELECT member.*
FROM pg_catalog.unnest(%(orders)s::{order_type}[]) AS named (value)
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} {equals_order} named.value
    ORDER BY {key}
    LIMIT 101
) AS member

-- name: rows_of_orders_in_one_scan
-- As rows_of_orders, for a table without an index on the order.
SELECT
    found.key, found.payment_intent, found.status, found.amount, found.currency, found.created, found.order_reference,
    found.stored_id, found.refunded_at
FROM (
    SELECT {row}, pg_catalog.row_number() OVER (PARTITION BY named.value ORDER BY {key}) AS place
    FROM pg_catalog.unnest(%(orders)s::{order_type}[]) AS named (value)
    JOIN {table} AS t ON {order} {equals_order} named.value
) AS found
WHERE found.place OPERATOR(pg_catalog.<=) 101

-- name: holders
-- An intent that any row holds is that row's money, also for a row of another account or outside the mapping.
SELECT {row}, ({of_account}) IS NOT TRUE
FROM {table} AS t
WHERE {payment_intent} {equals_intent} ANY({intents})
ORDER BY {key}

-- name: rows_a_person_names
-- Of any account, and outside the mapping too: a person must not hear that no row exists because of a filter. One row
-- more than are shown, which says that there are more.
SELECT {row}, {account}, ({where}) IS TRUE
FROM {table} AS t
WHERE {named}
ORDER BY {key}
LIMIT 101

-- name: rows_by_key
-- The rows after a write, as the database keeps them after its triggers and rules.
SELECT {row}
FROM {table} AS t
WHERE {key} {equals_key} ANY(%(keys)s::{key_type}[]) AND {in_account}

-- name: set_values
-- The columns of [payments.set], before a write and after it, and whether the row is in the mapping.
SELECT {key}::pg_catalog.text, {columns}, {of_account}
FROM {table} AS t
WHERE {key} {equals_key} ANY(%(keys)s::{key_type}[]) AND {in_account}
ORDER BY {key}
{locking}

-- name: restored_value
-- What a revert writes to a column, and what a correction writes; every other row keeps its value.
CASE
    WHEN w.restores IS NOT NULL AND pg_catalog.jsonb_exists(w.restores, {name})
        THEN (w.restores OPERATOR(pg_catalog.->>) {name})::{type}
    {values}
    ELSE {column}
END

-- name: set_value
-- One outcome of restored_value.
WHEN w.sets OPERATOR(pg_catalog.=) {outcome} THEN ({value})::{type}

-- name: evaluate_rows
-- An SQL text of the configuration for the next rows in order of key: it fails if the text fails for one of them.
SELECT pg_catalog.count(*), pg_catalog.count(one.value)
FROM (
    SELECT {value}::pg_catalog.text AS value
    FROM (SELECT t.* FROM {table} AS t WHERE {rows} ORDER BY {key} LIMIT %(limit)s) AS t
) AS one

-- name: evaluate_row
-- An SQL text for one row, whichever comes at this place.
SELECT {value}::pg_catalog.text
FROM (SELECT t.* FROM {table} AS t OFFSET %(offset)s LIMIT 1) AS t

-- name: text_shown
-- What an SQL text gives for some rows, for a person to look at.
SELECT {key}::pg_catalog.text, pg_catalog.left({value}::pg_catalog.text, 200)
FROM {table} AS t
WHERE {in_mapping} AND {key} IS NOT NULL
ORDER BY {key} DESC
LIMIT %(limit)s

-- name: key_at
-- The key at which such rows end.
SELECT {key}::pg_catalog.text
FROM {table} AS t
WHERE {rows}
ORDER BY {key}
OFFSET %(offset)s LIMIT 1

-- name: rows_of_any_order
-- Rows whose order cannot be read, of any account and outside the mapping too.
SELECT {row}
FROM {table} AS t
WHERE {key} {equals_key} ANY(%(keys)s::{key_type}[])

-- name: value_check
-- A value of [payments.set] as its column takes it, for some rows.
SELECT pg_catalog.count(sample.value::pg_catalog.text)
FROM (SELECT ({value})::{type} AS value FROM {table} AS t LIMIT 100) AS sample

-- name: condition_check
-- The configured condition is evaluated on some rows before any statement relies on it.
SELECT FROM (SELECT * FROM {table} LIMIT 100) AS t WHERE ({condition})

-- name: count_if_true_for_none
-- How many rows a condition leaves out if it is true for none. Rows are only counted if it is.
SELECT CASE WHEN EXISTS (SELECT FROM {table} AS t WHERE {condition})
    THEN 0::pg_catalog.int8
    ELSE (SELECT pg_catalog.count(*) FROM {table})
END

-- name: expression_type
-- The type of an expression, without reading a row. The table stands there twice, so that a column without t in front of
-- it has no meaning: in other statements it could be a column of another table. WHERE allows no aggregate and no set.
SELECT {expression}
FROM {table} AS t
CROSS JOIN {table} AS same_table
WHERE false AND {expression} IS NOT NULL

-- name: expression_sample
-- An expression is evaluated for some rows before any statement relies on it.
SELECT pg_catalog.count(sample.value)
FROM (SELECT {expression}::pg_catalog.text AS value FROM {table} AS t LIMIT 100) AS sample

-- name: lookup_plan
-- How PostgreSQL would look up one value if it could use any index: the catalog shows none of a view or an expression.
EXPLAIN (VERBOSE, FORMAT JSON)
SELECT
FROM {table} AS t
WHERE {expression} {equals} {marker}::{type}

-- name: try_copy
-- An empty copy of a table, on which an index is tried. It ends with the transaction.
CREATE TEMPORARY TABLE reconciler_index_try (LIKE {table}) ON COMMIT DROP

-- name: try_index
-- Fails if no index can hold the expression.
CREATE INDEX ON pg_temp.reconciler_index_try ({expression})

-- name: type_of_expression
-- The type of an expression, and the type beneath it if it is a domain.
WITH RECURSIVE beneath (oid, depth) AS (
    SELECT %(type)s::pg_catalog.oid, 0
    UNION ALL
    SELECT t.typbasetype, b.depth OPERATOR(pg_catalog.+) 1
    FROM beneath AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'::pg_catalog."char"
)
SELECT
    pg_catalog.format_type(%(type)s::pg_catalog.oid, NULL::pg_catalog.int4),
    n.nspname::pg_catalog.text,
    t.typname::pg_catalog.text,
    t.typcategory::pg_catalog.text,
    ARRAY(
        SELECT e.enumlabel::pg_catalog.text
        FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid OPERATOR(pg_catalog.=) t.oid
        ORDER BY e.enumsortorder
    )
FROM beneath AS b
JOIN pg_catalog.pg_type AS t
    ON t.oid OPERATOR(pg_catalog.=) b.oid AND t.typtype OPERATOR(pg_catalog.<>) 'd'::pg_catalog."char"
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace

-- name: volatile_functions
-- Which of the names called in a text may be a function that writes, or that gives another value each time.
SELECT p.oid::pg_catalog.regproc::pg_catalog.text OPERATOR(pg_catalog.||) '()'::pg_catalog.text
FROM ROWS FROM (
    pg_catalog.unnest(%(schemas)s::pg_catalog.text[]), pg_catalog.unnest(%(names)s::pg_catalog.text[])
) AS called (schema, name)
JOIN pg_catalog.pg_proc AS p
    ON p.proname OPERATOR(pg_catalog.=) called.name
    AND p.provolatile OPERATOR(pg_catalog.=) 'v'::pg_catalog."char"
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE CASE WHEN called.schema IS NULL
    THEN pg_catalog.pg_function_is_visible(p.oid)
    ELSE n.nspname OPERATOR(pg_catalog.=) called.schema
END
ORDER BY 1
LIMIT 1

-- name: sums_by_day
-- The table's own sums, for a statement: independent of what was matched. A sum of amounts that are no whole number of
-- minor units would be rounded, so those rows are left out, and so is what is no number.
SELECT day, status, currency, pg_catalog.count(*), pg_catalog.sum(minor)::pg_catalog.text
FROM (
    SELECT
        pg_catalog.timezone(%(zone)s::pg_catalog.text, {created})::pg_catalog.date AS day,
        {status}::pg_catalog.text AS status,
        one.currency,
        CASE
            WHEN one.amount OPERATOR(pg_catalog.=) ANY (ARRAY['NaN', 'Infinity', '-Infinity']::pg_catalog.numeric[]) THEN NULL
            ELSE one.amount OPERATOR(pg_catalog.*) CASE
                WHEN %(is_minor)s THEN 1::pg_catalog.numeric
                WHEN one.currency OPERATOR(pg_catalog.=) ANY (%(zero_decimal)s::pg_catalog.text[]) THEN 1::pg_catalog.numeric
                WHEN one.currency OPERATOR(pg_catalog.=) ANY (%(three_decimal)s::pg_catalog.text[])
                    THEN 1000::pg_catalog.numeric
                ELSE 100::pg_catalog.numeric
            END
        END AS minor
    FROM {table} AS t
    CROSS JOIN LATERAL (
        SELECT
            {amount}::pg_catalog.numeric AS amount,
            pg_catalog.lower(
                pg_catalog.btrim(coalesce({currency}::pg_catalog.text, %(constant)s::pg_catalog.text))
            ) AS currency
    ) AS one
    WHERE {payment_intent} IS NOT NULL AND {within} AND {of_account}
        AND pg_catalog.starts_with({paired_intent}, 'pi_')
) AS counted
WHERE currency OPERATOR(pg_catalog.<>) '' AND minor OPERATOR(pg_catalog.=) pg_catalog.trunc(minor)
GROUP BY day, status, currency

-- name: rows_left_out
-- The rows of a range that sums_by_day does not add up, and the first reason that fits each: what a certificate of
-- completeness counts. A row without a time of creation is in no range, so that it is in each of them.
SELECT
    reason, day, currency, status, pg_catalog.count(*),
    coalesce(pg_catalog.sum(minor) FILTER (WHERE has_money), 0)::pg_catalog.text
FROM (
    SELECT
        *,
        CASE
            WHEN reason_before IS NOT NULL THEN reason_before
            WHEN day IS NULL THEN 'no_time'
            WHEN NOT has_money THEN 'no_amount'
        END AS reason
    FROM (
        SELECT
            *,
            coalesce(currency, '') OPERATOR(pg_catalog.<>) ''
            AND coalesce(minor OPERATOR(pg_catalog.=) pg_catalog.trunc(minor), false) AS has_money
        FROM (
            SELECT
                pg_catalog.timezone(%(zone)s::pg_catalog.text, {created})::pg_catalog.date AS day,
                {status}::pg_catalog.text AS status,
                one.currency,
                CASE
                    WHEN {of_no_account} THEN 'no_account'
                    WHEN ({in_mapping}) IS NOT TRUE THEN 'where'
                    WHEN coalesce({payment_intent}::pg_catalog.text, '') OPERATOR(pg_catalog.!~) '\S' THEN 'no_payment_intent'
                    WHEN NOT pg_catalog.starts_with({paired_intent}, 'pi_') THEN 'foreign_id'
                END AS reason_before,
                CASE
                    WHEN one.amount OPERATOR(pg_catalog.=) ANY (ARRAY['NaN', 'Infinity', '-Infinity']::pg_catalog.numeric[]) THEN NULL
                    ELSE one.amount OPERATOR(pg_catalog.*) CASE
                        WHEN %(is_minor)s THEN 1::pg_catalog.numeric
                        WHEN one.currency OPERATOR(pg_catalog.=) ANY (%(zero_decimal)s::pg_catalog.text[])
                            THEN 1::pg_catalog.numeric
                        WHEN one.currency OPERATOR(pg_catalog.=) ANY (%(three_decimal)s::pg_catalog.text[])
                            THEN 1000::pg_catalog.numeric
                        ELSE 100::pg_catalog.numeric
                    END
                END AS minor
            FROM {table} AS t
            CROSS JOIN LATERAL (
                SELECT
                    {amount}::pg_catalog.numeric AS amount,
                    pg_catalog.lower(
                        pg_catalog.btrim(coalesce({currency}::pg_catalog.text, %(constant)s::pg_catalog.text))
                    ) AS currency
            ) AS one
            WHERE (({within}) OR {created_column} IS NULL) AND (({in_account}) OR {of_no_account})
        ) AS seen
    ) AS counted
) AS explained
WHERE reason IS NOT NULL
GROUP BY reason, day, currency, status

-- name: sampled_payments
-- Some rows as the mapping reads them, the newest if an index gives them.
SELECT {row}
FROM {table} AS t {sampled}
WHERE {of_account} AND {is_ordered}
{ordered}
LIMIT %(limit)s
