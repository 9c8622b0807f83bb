-- name: row
-- The columns of a payment; filled into every statement that selects from the merchant's table.
coalesce({key}::text, '') AS key,
NULLIF({shown_intent}, '') AS payment_intent,
{status}::text AS status,
{amount}::text AS amount,
{currency}::text AS currency,
{created} AS created,
{order}::text AS order_reference,
NULLIF({stored_id}, '') AS stored_id

-- name: holds_secret
-- Whether the column holds a client secret. It is only asked for here: a secret never leaves the database.
{column}::text ~ '^(pi|cs|seti)_[A-Za-z0-9_]+_secret_'

-- name: intent_without_secret
-- The id in front of a client secret, or the whole text.
CASE WHEN {holds_secret} THEN split_part({column}::text, '_secret_', 1) ELSE {column}::text END

-- name: stored_id
-- The text that a write compares: a client secret is another text than its id, and does not show itself.
CASE WHEN {holds_secret} THEN split_part({column}::text, '_secret_', 1) || ' client secret' ELSE {column}::text END

-- name: is_looked_up
-- Whether the column holds a Checkout Session or a charge.
left({column}::text, 3) IN ('cs_', 'ch_', 'py_')

-- name: paired_intent
-- The intent of a row, also if the row holds a Checkout Session or a charge of it.
CASE WHEN {is_looked_up}
    THEN coalesce(
        (
            SELECT s.payment_intent FROM reconciler.stored_ids AS s
            WHERE s.account = %(account)s AND s.stored_id = {intent}::text
        ),
        {intent}::text
    )
    ELSE {intent}::text
END

-- name: ids_sampled
-- What the newest rows hold.
SELECT newest.id, newest.holds_secret
FROM (
    SELECT {shown_intent} AS id, {holds_secret} AS holds_secret
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {created_column} IS NOT NULL
    ORDER BY {created_column} DESC
    LIMIT %(limit)s
) AS newest
WHERE newest.id ~ '\S'

-- name: rows_of_intents
-- The rows that hold one of a page's intents.
SELECT {row}
FROM {table} AS t
WHERE {payment_intent} = ANY(%(intents)s::{lookup_type}[]) AND {of_account}
ORDER BY {key}

-- name: rows_again
-- In order of key, so that two transactions that lock the same rows never wait for each other in a circle.
SELECT {row}
FROM {table} AS t
WHERE ({payment_intent} = ANY(%(intents)s::{lookup_type}[]) OR {key} = ANY(%(keys)s::{key_type}[]))
    AND {of_account}
ORDER BY {key}
{locking}

-- name: rows_claimable
-- Rows without an intent, by order. At most 100 for each order: a value that 1,000 rows share names no order.
SELECT claimable.*
FROM unnest(%(orders)s::{order_type}[]) AS named (value)
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} = named.value AND ({payment_intent} IS NULL OR {payment_intent}::text = '') AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS claimable

-- name: rows_paid
-- The paid rows of the orders that these intents' rows have, and of the orders named.
SELECT paid.*
FROM (
    SELECT {order} AS value
    FROM {table} AS t
    WHERE {payment_intent} = ANY(%(intents)s::{lookup_type}[])
        AND {of_account} AND {order} IS NOT NULL AND {order}::text <> ''
    UNION
    SELECT unnest(%(orders)s::{order_type}[])
) AS page
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} = page.value AND {status} = ANY(%(paid)s::{status_type}[]) AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS paid

-- name: references
-- A page ends with all rows of its last key, and rows without a key are left out: no next page could begin after one.
SELECT {key}::text, {shown_intent}, {holds_secret}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account} AND {of_kind} AND {after}
ORDER BY {key}
FETCH FIRST %(limit)s ROWS WITH TIES

-- name: references_count
-- How many rows a source would ask Stripe about.
SELECT count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}

-- name: references_newest
-- The newest rows prove that the key belongs to this table.
SELECT {key}::text, {shown_intent}, {holds_secret}
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {created_column} IS NOT NULL AND {of_account}
ORDER BY {created_column} DESC
LIMIT %(limit)s

-- name: is_same_row
-- A refused correction waits only while the row is the one that was refused.
(
    c.reason NOT LIKE 'refused by the table: %%'
    OR starts_with(
        c.reason, concat_ws(' ', 'refused by the table:', {status}::text, {amount}::text, {currency}::text, '->')
    )
)

-- name: is_due
-- No recheck of this row's intent lies in the future; filled into the statements that find open rows.
NOT EXISTS (
    SELECT FROM reconciler.rechecks AS c
    WHERE c.account = %(account)s AND c.payment_intent = {paired_intent} AND c.due_at > %(due_by)s
        AND {is_same_row}
)

-- name: is_due_by_key
-- As is_due, row by row: in order of a key and with a limit, PostgreSQL may otherwise compare every row with every
-- recheck.
coalesce(
    (
        SELECT c.due_at FROM reconciler.rechecks AS c
        WHERE c.account = %(account)s AND c.payment_intent = {paired_intent} AND {is_same_row}
    ),
    '-infinity'
) <= %(due_by)s

-- name: histogram
-- All rows of a range counted by time, and apart from them the due rows, so that rechecks are joined with those alone.
SELECT b.start, sum(b.rows)::bigint, sum(b.due)::bigint
FROM (
    SELECT date_bin(%(width)s::interval, {created}, 'epoch'::timestamptz) AS start, count(*) AS rows, 0 AS due
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {within} AND {of_account}
    GROUP BY 1
    UNION ALL
    SELECT date_bin(%(width)s::interval, {created}, 'epoch'::timestamptz), 0, count(*)
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {of_status} AND {within} AND {of_account}
    GROUP BY 1
) AS b
GROUP BY b.start
ORDER BY b.start

-- name: histogram_span
-- The first and last time of the due rows, and how many rows have no time.
SELECT min({created}), max({created}), count(*) FILTER (WHERE {created} IS NULL)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}

-- name: update_rows
-- Only if the row is still as it was compared. The status comes back as a trigger may have changed it.
UPDATE {table} AS t
SET {assignments}
FROM unnest(
    %(keys)s::{key_type}[], %(payment_intents)s::text[], %(statuses)s::text[], %(amounts)s::text[],
    %(currencies)s::text[], %(to_statuses)s::{status_type}[], %(to_intents)s::{payment_intent_type}[],
    %(links)s::boolean[]
) AS w (key, stored_id, status, amount, currency, to_status, to_intent, links)
WHERE {key} = w.key AND {of_account_in_update}
    AND NULLIF({stored_id}, '') IS NOT DISTINCT FROM w.stored_id
    AND {status}::text IS NOT DISTINCT FROM w.status
    AND {amount}::text IS NOT DISTINCT FROM w.amount
    AND {currency}::text IS NOT DISTINCT FROM w.currency
    AND {not_held}
RETURNING {key}::text, {status}::text, NULLIF({shown_intent}, '')

-- name: not_held_by_another
-- Filled into update_rows if it writes the intent: no other row may hold that intent already.
NOT EXISTS (
    SELECT FROM {table} AS other
    WHERE w.links AND {other_intent} = w.to_intent AND other.{key} <> w.key
)

-- name: relation
-- A table by its name as stored; without a schema, the table that the search_path finds.
SELECT
    c.oid::bigint,
    n.nspname::text,
    c.relname::text,
    c.relkind::text,
    has_schema_privilege(n.oid, 'USAGE'),
    -- the fourth bit stands for UPDATE; a view counts if it is simple or has a trigger for it
    (pg_relation_is_updatable(c.oid, true) & 4) = 4,
    row_security_active(c.oid),
    current_user::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE WHEN %(schema)s::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %(schema)s::text END

-- name: relation_columns
-- Every column, with the type that its domains are based on.
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

-- name: relation_indexes
-- The columns of each index that lookups can use; a partial index only if it leaves out nothing but nulls.
SELECT
    ARRAY(
        SELECT a.attname::text
        FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
        LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.position <= i.indnkeyatts
        ORDER BY k.position
    ),
    i.indisunique AND i.indpred IS NULL
FROM pg_index AS i
LEFT JOIN pg_attribute AS first ON first.attrelid = i.indrelid AND first.attnum = i.indkey[0]
WHERE i.indrelid = %(relation)s::oid
    AND i.indisvalid
    AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%%I IS NOT NULL)', first.attname))

-- name: relation_names
-- The names of all tables and views, to suggest the nearest to a misspelt one.
SELECT format('%%s.%%s', n.nspname, c.relname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconciler')
    AND n.nspname NOT LIKE 'pg\_%%'
ORDER BY 1
LIMIT 2000

-- name: open_payments_by_status
-- How many open rows there are, by the local status, for the status command.
SELECT rtrim({status}::text), count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {status} = ANY(%(open)s::{status_type}[]) AND {of_account}
GROUP BY 1

-- name: rows_of_orders
-- Before a row is made failed or canceled, every row of its order counts: of any account, mapped or not. At most 101 an
-- order, which shows that there are more than 100: an order that 1,000 rows share is no order.
SELECT member.*
FROM unnest(%(orders)s::{order_type}[]) AS named (value)
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} = named.value
    ORDER BY {key}
    LIMIT 101
) AS member

-- name: holders
-- An intent that any row holds is that row's money, also for a row of another account or outside the mapping.
SELECT {row}, ({of_account}) IS NOT TRUE
FROM {table} AS t
WHERE {payment_intent} = ANY(%(intents)s::{lookup_type}[])
ORDER BY {key}

-- name: rows_by_key
-- The rows after a write, as the database keeps them after its triggers and rules.
SELECT {row}
FROM {table} AS t
WHERE {key} = ANY(%(keys)s::{key_type}[]) AND {in_account}

-- name: condition_check
-- The configured condition is evaluated on some rows before any statement relies on it.
SELECT FROM (SELECT * FROM {table} LIMIT 100) AS t WHERE ({condition})
