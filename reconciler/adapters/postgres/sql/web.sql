-- name: web_discrepancies_wanted
-- Those that a list has, from a place in its order on: a part of the two statements below.
SELECT d.*
FROM reconciler.discrepancies AS d
WHERE (%(account)s::pg_catalog.text IS NULL OR d.account OPERATOR(pg_catalog.=) %(account)s::pg_catalog.text)
    AND (%(states)s::pg_catalog.text[] IS NULL OR d.state OPERATOR(pg_catalog.=) ANY(%(states)s::pg_catalog.text[]))
    AND (%(kinds)s::pg_catalog.text[] IS NULL OR d.kind OPERATOR(pg_catalog.=) ANY(%(kinds)s::pg_catalog.text[]))
    AND (%(severities)s::pg_catalog.text[] IS NULL OR d.severity OPERATOR(pg_catalog.=) ANY(%(severities)s::pg_catalog.text[]))
    AND (%(currency)s::pg_catalog.text IS NULL OR d.currency OPERATOR(pg_catalog.=) %(currency)s::pg_catalog.text)
    AND (
        %(text)s::pg_catalog.text IS NULL
        -- the expression of the index of names
        OR (d.keys OPERATOR(pg_catalog.||) ARRAY[d.payment_intent, d.order_reference, d.id::pg_catalog.text])
        OPERATOR(pg_catalog.@>) ARRAY[%(text)s::pg_catalog.text]
    )
    AND (%(ids)s::pg_catalog.int8[] IS NULL OR d.id OPERATOR(pg_catalog.=) ANY(%(ids)s::pg_catalog.int8[]))
    AND (%(owner)s::pg_catalog.text IS NULL OR d.owner OPERATOR(pg_catalog.=) %(owner)s::pg_catalog.text)
    AND (NOT %(without_owner)s::pg_catalog.bool OR d.owner IS NULL)
    AND (%(causes)s::pg_catalog.text[] IS NULL OR d.cause OPERATOR(pg_catalog.=) ANY(%(causes)s::pg_catalog.text[]))
    AND (%(paid_since)s::pg_catalog.timestamptz IS NULL OR d.payment_created OPERATOR(pg_catalog.>=) %(paid_since)s::pg_catalog.timestamptz)
    AND (%(paid_until)s::pg_catalog.timestamptz IS NULL OR d.payment_created OPERATOR(pg_catalog.<) %(paid_until)s::pg_catalog.timestamptz)
    AND (NOT %(unseen)s::pg_catalog.bool OR d.seen_at IS NULL)
    AND (%(after_id)s::bigint IS NULL OR ROW(d.{column}, d.id) OPERATOR(pg_catalog.{beyond}) ROW(%(after)s::pg_catalog.{type}, %(after_id)s::bigint))

-- name: web_discrepancies
-- One part of a list, from a place in its order on. Not prepared, so that PostgreSQL plans it for the filters that are set.
SELECT
    p.id, p.account, p.kind, p.severity, p.state, p.payment_intent, p.keys, p.stake_amount, p.currency, p.reason, p.cause,
    p.closing, p.note, p.resolved_by, p.first_seen, p.last_seen, p.fingerprint, p.local, p.stripe, p.evidence,
    p.order_reference, p.payment_created, p.opened_at, p.owner, NULL::pg_catalog.timestamptz, p.seen_at, p.changed_at, c.at, c.asked_by, c.sweep
FROM (
    {wanted}
    -- as the indexes have it
    ORDER BY d.{column} {direction} NULLS {nulls}, d.id {direction}
    LIMIT %(limit)s
) AS p
LEFT JOIN LATERAL (
    SELECT l.at, l.asked_by, l.sweep
    FROM (
        SELECT e.seq, e.at, e.body OPERATOR(pg_catalog.->>) 'asked_by' AS asked_by, (e.body OPERATOR(pg_catalog.->>) 'sweep')::pg_catalog.int8 AS sweep
        FROM reconciler.ledger AS e
        WHERE p.state OPERATOR(pg_catalog.=) 'corrected' AND e.account OPERATOR(pg_catalog.=) p.account AND e.action OPERATOR(pg_catalog.=) 'correction'
            AND coalesce(e.body OPERATOR(pg_catalog.->>) 'subject', e.body OPERATOR(pg_catalog.->>) 'payment_intent')
            OPERATOR(pg_catalog.=) coalesce(p.evidence OPERATOR(pg_catalog.->>) 'paying_intent', p.payment_intent)
        -- without this PostgreSQL would walk through the ledger from its end
        OFFSET 0
    ) AS l
    ORDER BY l.seq DESC
    LIMIT 1
) AS c ON true
ORDER BY p.{column} {direction} NULLS {nulls}, p.id {direction}

-- name: web_discrepancy_count
-- How many discrepancies a list has, as far as its limit goes. Neither their order nor their corrections are looked up.
SELECT pg_catalog.count(*) FROM (SELECT FROM ({wanted}) AS d LIMIT %(limit)s) AS counted

-- name: web_accounts
-- Every account that has recorded something.
SELECT account FROM reconciler.ledger_heads ORDER BY account

-- name: web_open_by_kind
-- What is open, by everything that the overview shows. A payment counts once in once_amount, under its greatest stake.
-- The age is by the clock of the pages, as every other age that a person sees.
SELECT severity, kind, currency, age, pg_catalog.count(*), pg_catalog.sum(stake_amount)::bigint,
    coalesce(pg_catalog.sum(stake_amount) FILTER (WHERE is_greatest), 0)::bigint
FROM (
    SELECT severity, kind, currency, stake_amount,
        CASE
            WHEN opened_at OPERATOR(pg_catalog.>) (%(now)s::pg_catalog.timestamptz OPERATOR(pg_catalog.-) interval '2 days') THEN 0
            WHEN opened_at OPERATOR(pg_catalog.>) (%(now)s::pg_catalog.timestamptz OPERATOR(pg_catalog.-) interval '8 days') THEN 1
            WHEN opened_at OPERATOR(pg_catalog.>) (%(now)s::pg_catalog.timestamptz OPERATOR(pg_catalog.-) interval '31 days') THEN 2
            ELSE 3
        END AS age,
        (pg_catalog.row_number() OVER (
            PARTITION BY coalesce(payment_intent, subject), currency ORDER BY stake_amount DESC, id
        )) OPERATOR(pg_catalog.=) 1 AS is_greatest
    FROM reconciler.discrepancies
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND state OPERATOR(pg_catalog.=) 'open'
) AS d
GROUP BY 1, 2, 3, 4

-- name: web_open_by_currency
-- How many are open in the list of discrepancies. An index of states serves it.
SELECT currency, pg_catalog.count(*)
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s AND state OPERATOR(pg_catalog.=) 'open'
GROUP BY currency

-- name: web_since
-- The entry of the last sweep before the last days: what comes after it is of these days. An index of actions serves it.
SELECT coalesce((
    SELECT seq
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'sweep'
        AND at OPERATOR(pg_catalog.<=) (%(now)s::pg_catalog.timestamptz OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))
    ORDER BY seq DESC
    LIMIT 1
), 0)

-- name: web_corrected_by_day
-- The corrections of the last days, by day of the books and currency.
SELECT (at AT TIME ZONE %(zone)s)::pg_catalog.date, coalesce(body OPERATOR(pg_catalog.->>) 'currency', ''), pg_catalog.count(*),
    coalesce(pg_catalog.sum((body OPERATOR(pg_catalog.->>) 'amount')::bigint), 0)::bigint
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'correction'
    AND seq OPERATOR(pg_catalog.>) %(since)s::bigint
GROUP BY 1, 2
ORDER BY 1, 2

-- name: web_corrected_payments
-- How many payments the corrected rows of the last days belong to: a payment may have several rows.
SELECT pg_catalog.count(DISTINCT coalesce(body OPERATOR(pg_catalog.->>) 'payment_intent', body OPERATOR(pg_catalog.->>) 'subject'))
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'correction'
    AND seq OPERATOR(pg_catalog.>) %(since)s::bigint

-- name: web_activity
-- How often each thing happened in the last days, and whether the service did it.
SELECT action, coalesce(body OPERATOR(pg_catalog.->>) 'state', ''), coalesce(body OPERATOR(pg_catalog.->>) 'closing', ''),
    (body OPERATOR(pg_catalog.->>) 'asked_by') OPERATOR(pg_catalog.=) 'service', pg_catalog.count(*)
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'finding_changed', 'resolution', 'reopening', 'revert'])
    AND seq OPERATOR(pg_catalog.>) %(since)s::bigint
GROUP BY 1, 2, 3, 4

-- name: web_delays
-- From the last event of a corrected payment to its correction, in seconds: the median, the 95th percentile, how many.
SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY delay), pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY delay),
    pg_catalog.count(delay)
FROM (
    SELECT (
        SELECT extract(epoch FROM l.at OPERATOR(pg_catalog.-) pg_catalog.max(e.created))::pg_catalog.float8
        FROM reconciler.events AS e
        WHERE e.account OPERATOR(pg_catalog.=) l.account AND e.payment_intent OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'payment_intent')
            AND e.created OPERATOR(pg_catalog.<=) l.at
    ) AS delay
    FROM reconciler.ledger AS l
    WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) 'correction'
        AND l.seq OPERATOR(pg_catalog.>) %(since)s::bigint
    ORDER BY l.seq DESC
    LIMIT 10000
) AS corrections

-- name: web_settled
-- How many payments of the last days were at each outcome at Stripe, as the last sweep of each day saw it.
SELECT coalesce(pg_catalog.sum((side.value OPERATOR(pg_catalog.->>) 'count')::bigint), 0)::bigint
FROM (
    SELECT DISTINCT ON (body OPERATOR(pg_catalog.->>) 'day', body OPERATOR(pg_catalog.->>) 'currency') body
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'day_totals'
        AND seq OPERATOR(pg_catalog.>) %(since)s::bigint
    ORDER BY body OPERATOR(pg_catalog.->>) 'day', body OPERATOR(pg_catalog.->>) 'currency', seq DESC
) AS days, pg_catalog.jsonb_each(days.body OPERATOR(pg_catalog.->) 'stripe') AS side
WHERE side.key OPERATOR(pg_catalog.<>) 'incomplete'

-- name: web_last_window
-- The last sweep that examined a whole range, and how many payments of the range have an open discrepancy now: a payment
-- with several counts once. The range is that of Stripe's times; a finding without such a time counts if it was seen since.
SELECT w.id, w.examined, (
    SELECT pg_catalog.count(DISTINCT coalesce(d.payment_intent, d.subject))
    FROM reconciler.discrepancies AS d
    WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.state OPERATOR(pg_catalog.=) 'open'
        AND CASE
            WHEN d.payment_created IS NULL THEN d.last_seen OPERATOR(pg_catalog.>=) w.started_at
            ELSE (w.created_from IS NULL OR d.payment_created OPERATOR(pg_catalog.>=) w.created_from)
                AND (w.created_until IS NULL OR d.payment_created OPERATOR(pg_catalog.<) w.created_until)
        END
)
FROM (
    SELECT id, started_at, coalesce((report OPERATOR(pg_catalog.->>) 'examined')::bigint, 0) AS examined,
        (report OPERATOR(pg_catalog.->>) 'created_from')::pg_catalog.timestamptz AS created_from,
        (report OPERATOR(pg_catalog.->>) 'created_until')::pg_catalog.timestamptz AS created_until
    FROM reconciler.sweeps
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND kind OPERATOR(pg_catalog.=) ANY (ARRAY['window', 'all'])
        AND complete AND ((report OPERATOR(pg_catalog.->>) 'is_part') IS DISTINCT FROM 'true' OR (report OPERATOR(pg_catalog.->>) 'created_until') IS NOT NULL)
    ORDER BY id DESC
    LIMIT 1
) AS w

-- name: web_ledger
-- One part of an account's ledger, the newest entry first. Not prepared, so that an action's own index serves it.
SELECT seq, at, action, body, hash, prev, role
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND (%(before)s::bigint IS NULL OR seq OPERATOR(pg_catalog.<) %(before)s::bigint)
    AND (%(actions)s::pg_catalog.text[] IS NULL OR action OPERATOR(pg_catalog.=) ANY (%(actions)s::pg_catalog.text[]))
ORDER BY seq DESC
LIMIT %(limit)s

-- name: web_sweeps
-- One part of an account's sweeps, the newest first. A report with very many lines is not opened here.
SELECT id, kind, mode, applied, asked_by, started_at, finished_at, complete,
    CASE WHEN pg_catalog.pg_column_size(report) OPERATOR(pg_catalog.<) 200000 THEN report OPERATOR(pg_catalog.-) 'lines'::pg_catalog.text END
FROM reconciler.sweeps
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND (%(before)s::bigint IS NULL OR id OPERATOR(pg_catalog.<) %(before)s::bigint)
    AND (%(kind)s::pg_catalog.text IS NULL OR kind OPERATOR(pg_catalog.=) %(kind)s::pg_catalog.text)
ORDER BY id DESC
LIMIT %(limit)s

-- name: web_payment_discrepancies
-- Everything that is stored about a payment, by its intent or by the key of a row.
SELECT
    id, account, kind, severity, state, payment_intent, keys, stake_amount, currency, reason, cause, closing,
    note, resolved_by, first_seen, last_seen, fingerprint, local, stripe, evidence,
    order_reference, payment_created, opened_at, owner, NULL::pg_catalog.timestamptz, seen_at, changed_at, NULL, NULL, NULL
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND (payment_intent OPERATOR(pg_catalog.=) %(name)s OR keys OPERATOR(pg_catalog.@>) ARRAY[%(name)s::pg_catalog.text])
    -- the expression of the index of names, which also finds an order or a number
    AND (keys OPERATOR(pg_catalog.||) ARRAY[payment_intent, order_reference, id::pg_catalog.text]) OPERATOR(pg_catalog.@>) ARRAY[%(name)s::pg_catalog.text]
ORDER BY state OPERATOR(pg_catalog.<>) 'open', id

-- name: web_discrepancy_place
-- The account, intent and keys of one discrepancy, to find its payment.
SELECT account, payment_intent, keys, subject FROM reconciler.discrepancies WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: web_payment_entries
-- The last entries of the ledger about a payment, oldest first. OFFSET 0 keeps PostgreSQL to the index of a payment's
-- history, name by name: a prepared plan would walk the whole ledger from its end to have the order.
SELECT seq, at, action, body, hash, prev, role
FROM (
    SELECT entries.seq, entries.at, entries.action, entries.body, entries.hash, entries.prev, entries.role
    FROM (SELECT DISTINCT name FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS given (name)) AS named,
    LATERAL (
        SELECT l.seq, l.at, l.action, l.body, l.hash, l.prev, l.role
        FROM reconciler.ledger AS l
        WHERE l.account OPERATOR(pg_catalog.=) %(account)s
            AND coalesce(l.body OPERATOR(pg_catalog.->>) 'subject', l.body OPERATOR(pg_catalog.->>) 'payment_intent') OPERATOR(pg_catalog.=) named.name
        OFFSET 0
    ) AS entries
    ORDER BY entries.seq DESC
    LIMIT 1000
) AS newest
ORDER BY seq

-- name: web_payment_events
-- Stripe's events about an intent that a sweep has met.
SELECT id, type, created, delivered, failure_code
FROM reconciler.events
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[])
ORDER BY created

-- name: web_payment_notes
-- What people wrote about a payment's discrepancies.
SELECT discrepancy, author, coalesce(note, '(blanked)'), at, attachment_name
FROM reconciler.notes
WHERE account OPERATOR(pg_catalog.=) %(account)s AND discrepancy OPERATOR(pg_catalog.=) ANY (%(ids)s::bigint[])
ORDER BY id

-- name: web_payment_outbox
-- The messages to the merchant's own code about a payment.
SELECT id, payment_key, from_status, to_status, created_at, delivered_at, attempts, last_error
FROM reconciler.outbox
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY (%(names)s::pg_catalog.text[])
ORDER BY id

-- name: web_payment_acceptances
-- What reviewers accepted about a payment's discrepancies, and what became of it.
SELECT id, discrepancy, asked_by, note, row_key, asked_at, expires_at, answer, changed_at,
    CASE
        WHEN status OPERATOR(pg_catalog.=) 'asked' AND expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'expired'
        ELSE status
    END
FROM reconciler.acceptance_requests
WHERE account OPERATOR(pg_catalog.=) %(account)s AND discrepancy OPERATOR(pg_catalog.=) ANY (%(ids)s::bigint[])
ORDER BY id
