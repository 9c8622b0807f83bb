-- name: current_time
-- The database's clock decides what is old.
SELECT pg_catalog.clock_timestamp()

-- name: stored_discrepancies
-- What is stored about a page's intents.
SELECT id, subject, kind, state, fingerprint, reason, payment_intent, reverted, keys
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND (subject OPERATOR(pg_catalog.=) ANY(%(intents)s) OR kind OPERATOR(pg_catalog.=) 'paid_by_other_intent' AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s))

-- name: stored_discrepancies_locked
-- Locked, so that a person's decision meanwhile is neither missed nor overwritten.
SELECT id, subject, kind, state, fingerprint, reason, payment_intent, reverted, keys
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND (subject OPERATOR(pg_catalog.=) ANY(%(intents)s) OR kind OPERATOR(pg_catalog.=) 'paid_by_other_intent' AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s))
ORDER BY id
FOR NO KEY UPDATE

-- name: rechecks_of_intents
-- Rechecks that wait for a verdict; a planned poll waits for none.
SELECT payment_intent, due_at, reason
FROM reconciler.rechecks
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s) AND reason OPERATOR(pg_catalog.<>) 'schedule'

-- name: rechecks_due
-- Rechecks whose time has come, the longest overdue first.
SELECT payment_intent
FROM reconciler.rechecks
WHERE account OPERATOR(pg_catalog.=) %(account)s AND due_at OPERATOR(pg_catalog.<=) %(now)s AND reason OPERATOR(pg_catalog.<>) %(scheduled)s
ORDER BY due_at, payment_intent
LIMIT %(limit)s

-- name: rechecks_to_compare
-- The ids of the rows whose recheck is due, or waits because the table refused a correction: that row may have changed.
WITH compared AS (
    (
        SELECT payment_intent FROM reconciler.rechecks
        WHERE account OPERATOR(pg_catalog.=) %(account)s AND due_at OPERATOR(pg_catalog.<=) %(due_by)s
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT payment_intent FROM reconciler.rechecks
        WHERE account OPERATOR(pg_catalog.=) %(account)s AND pg_catalog.starts_with(reason, 'refused by the table: ')
        LIMIT %(limit)s
    )
)
SELECT payment_intent FROM compared
UNION ALL
SELECT s.stored_id
FROM compared AS c
JOIN reconciler.stored_ids AS s ON s.account OPERATOR(pg_catalog.=) %(account)s AND s.payment_intent OPERATOR(pg_catalog.=) c.payment_intent

-- name: polls_remove_needless
-- A planned poll whose time came after its row was settled. It would be compared with the table at each search.
DELETE FROM reconciler.rechecks AS k
WHERE k.account OPERATOR(pg_catalog.=) %(account)s AND k.payment_intent OPERATOR(pg_catalog.=) ANY(
        ARRAY(
            SELECT c.payment_intent FROM reconciler.rechecks AS c
            WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.due_at OPERATOR(pg_catalog.<=) %(due_by)s
                AND c.reason OPERATOR(pg_catalog.=) %(scheduled)s
                AND c.payment_intent OPERATOR(pg_catalog.<>) ALL (SELECT pg_catalog.unnest(%(needed)s::pg_catalog.text[]))
            ORDER BY c.payment_intent
            LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        )
    )

-- name: rechecks_put
-- A poll replaces no other recheck, unless that recheck was due and its verdict comes with the poll.
INSERT INTO reconciler.rechecks AS k (account, payment_intent, due_at, reason)
SELECT %(account)s, c.payment_intent, c.due_at, c.reason
FROM unnest(%(intents)s::pg_catalog.text[], %(due)s::pg_catalog.timestamptz[], %(reasons)s::pg_catalog.text[]) AS c (payment_intent, due_at, reason)
ORDER BY c.payment_intent
ON CONFLICT (account, payment_intent) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason
WHERE k.reason OPERATOR(pg_catalog.=) %(scheduled)s OR excluded.reason OPERATOR(pg_catalog.<>) %(scheduled)s OR k.due_at OPERATOR(pg_catalog.<=) %(now)s::pg_catalog.timestamptz

-- name: rechecks_remove
-- A recheck later than the verdict was left by a sweep that knew more.
DELETE FROM reconciler.rechecks
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s)
    AND (reason OPERATOR(pg_catalog.=) %(scheduled)s OR due_at OPERATOR(pg_catalog.<=) %(now)s::pg_catalog.timestamptz OR %(now)s::pg_catalog.timestamptz IS NULL)

-- name: rechecks_of_reported_due_now
-- The service may correct from now on, so a reported finding need not wait a day. A minute back: Stripe's clock may be behind.
UPDATE reconciler.rechecks AS c
SET due_at = pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 minute'
FROM reconciler.discrepancies AS d
WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.due_at OPERATOR(pg_catalog.>) pg_catalog.now() AND d.account OPERATOR(pg_catalog.=) c.account AND d.payment_intent OPERATOR(pg_catalog.=) c.payment_intent
    AND d.state OPERATOR(pg_catalog.=) 'open' AND d.reason OPERATOR(pg_catalog.=) ANY (ARRAY['report_mode', 'not_applied', 'paused'])

-- name: rechecks_after_expired_pause
-- What was only recorded during a pause whose time is over need not wait a day either. Once it was examined again, its
-- reason is another one.
UPDATE reconciler.rechecks AS c
SET due_at = pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 minute'
FROM reconciler.pauses AS p
JOIN reconciler.discrepancies AS d ON d.account OPERATOR(pg_catalog.=) p.account
WHERE p.account OPERATOR(pg_catalog.=) %(account)s AND p.until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
    AND d.state OPERATOR(pg_catalog.=) 'open' AND d.reason OPERATOR(pg_catalog.=) 'paused'
    AND c.account OPERATOR(pg_catalog.=) d.account AND c.payment_intent OPERATOR(pg_catalog.=) d.payment_intent AND c.due_at OPERATOR(pg_catalog.>) pg_catalog.now()

-- name: events_of_intents
-- The events known of a page's intents, oldest first.
SELECT id, type, created, payment_intent, delivered
FROM reconciler.events
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s)
ORDER BY created, id

-- name: events_put
-- An event never changes, but its delivery may end.
INSERT INTO reconciler.events AS e (account, id, type, created, payment_intent, delivered, failure_code)
SELECT %(account)s, n.id, n.type, n.created, n.payment_intent, n.delivered, n.failure_code
FROM unnest(
    %(ids)s::pg_catalog.text[], %(types)s::pg_catalog.text[], %(created)s::pg_catalog.timestamptz[], %(intents)s::pg_catalog.text[], %(delivered)s::boolean[],
    %(failure_codes)s::pg_catalog.text[]
) AS n (id, type, created, payment_intent, delivered, failure_code)
ORDER BY n.id
ON CONFLICT (account, id) DO UPDATE SET delivered = true WHERE excluded.delivered AND NOT e.delivered

-- name: events_seen
-- Which of these events were handled before.
SELECT id FROM reconciler.events WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) ANY (%(ids)s::pg_catalog.text[])

-- name: corrections_by_service
-- now() is the time that the entries have. clock_timestamp() may differ from row to row, so no index could be used.
SELECT pg_catalog.count(*)
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'correction'
    AND at OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => %(seconds)s))
    AND body OPERATOR(pg_catalog.->>) 'asked_by' OPERATOR(pg_catalog.=) 'service'

-- name: cursors
-- How far each source that runs again and again has come.
SELECT name, handled_until FROM reconciler.cursors WHERE account OPERATOR(pg_catalog.=) %(account)s

-- name: cursors_move
-- A cursor never moves back, unless a wrong clock had moved it into the future.
INSERT INTO reconciler.cursors AS c (account, name, handled_until)
SELECT %(account)s, n.name, n.reached
FROM unnest(%(names)s::pg_catalog.text[], %(reached)s::pg_catalog.timestamptz[]) AS n (name, reached)
ORDER BY n.name
ON CONFLICT (account, name) DO UPDATE
SET handled_until = CASE
        WHEN c.handled_until OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.+) interval '1 hour') THEN excluded.handled_until
        ELSE greatest(c.handled_until, excluded.handled_until)
    END,
    changed_at = pg_catalog.now()

-- name: listing_statistics
-- What the last complete sweep that listed a window found out about rows and intents.
SELECT (s.report OPERATOR(pg_catalog.->>) 'listed')::pg_catalog.float8 OPERATOR(pg_catalog./) (s.report OPERATOR(pg_catalog.->>) 'listed_rows')::pg_catalog.float8,
    (s.report OPERATOR(pg_catalog.->>) 'skew_earliest')::pg_catalog.float8, (s.report OPERATOR(pg_catalog.->>) 'skew_latest')::pg_catalog.float8
FROM pg_catalog.unnest(ARRAY['window', 'all']) AS k (kind)
CROSS JOIN LATERAL (
    SELECT id, report
    FROM reconciler.sweeps
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND kind OPERATOR(pg_catalog.=) k.kind AND complete AND (report OPERATOR(pg_catalog.->>) 'listed_rows')::pg_catalog.float8 OPERATOR(pg_catalog.>) 0
    ORDER BY id DESC
    LIMIT 1
) AS s
ORDER BY s.id DESC
LIMIT 1

-- name: sweep_start
-- A sweep needs its number before it writes anything else.
INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by)
VALUES (%(account)s, %(kind)s, %(mode)s, %(applied)s, %(asked_by)s)
RETURNING id

-- name: sweep_finish
-- A sweep ends once; a second end finds no row.
UPDATE reconciler.sweeps
SET finished_at = greatest(pg_catalog.now(), started_at), complete = %(complete)s, report = %(report)s::pg_catalog.jsonb
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(sweep)s AND finished_at IS NULL
RETURNING id

-- name: sweep_anchor_error
-- What becomes of an anchor is known only after the sweep's report is stored.
UPDATE reconciler.sweeps
SET report = report OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('anchor_error', %(error)s::pg_catalog.text)
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(sweep)s

-- name: reads_book
-- Reads are summed by hour and source: Stripe's limit is a rolling sum over 30 days.
INSERT INTO reconciler.reads AS r (account, hour, source, count)
SELECT %(account)s, pg_catalog.date_trunc('hour', pg_catalog.now(), 'UTC'), b.source, b.count
FROM unnest(%(sources)s::pg_catalog.text[], %(counts)s::bigint[]) AS b (source, count)
ORDER BY b.source
ON CONFLICT (account, hour, source) DO UPDATE SET count = r.count OPERATOR(pg_catalog.+) excluded.count

-- name: reads_by_source
-- The rolling sums by source, and of the last day.
SELECT source, pg_catalog.sum(count), coalesce(pg_catalog.sum(count) FILTER (WHERE hour OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 day')), 0)
FROM reconciler.reads
WHERE account OPERATOR(pg_catalog.=) %(account)s AND hour OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))
GROUP BY source

-- name: unmatched_payments
-- Money that no row shows: one of these may be the retry of a row that is about to be made failed or canceled.
SELECT payment_intent, stake_amount, currency, (evidence OPERATOR(pg_catalog.->>) 'created')::pg_catalog.timestamptz
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s AND kind OPERATOR(pg_catalog.=) 'missing_locally' AND state OPERATOR(pg_catalog.=) 'open' AND payment_intent IS NOT NULL
    AND evidence OPERATOR(pg_catalog.->>) 'created' IS NOT NULL
ORDER BY id DESC
LIMIT 10000

-- name: pairs_of_intents
-- Which Checkout Sessions and charges belong to a page's intents.
SELECT stored_id, payment_intent, recheck_at
FROM reconciler.stored_ids
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_intent OPERATOR(pg_catalog.=) ANY(%(intents)s)

-- name: pairs_of_ids
-- What is known of the Checkout Sessions and charges that rows hold.
SELECT stored_id, payment_intent, recheck_at
FROM reconciler.stored_ids
WHERE account OPERATOR(pg_catalog.=) %(account)s AND stored_id OPERATOR(pg_catalog.=) ANY(%(ids)s)

-- name: pairs_put
-- The latest answer of Stripe counts.
INSERT INTO reconciler.stored_ids (account, stored_id, payment_intent, recheck_at)
SELECT %(account)s, n.stored_id, n.payment_intent, n.recheck_at
FROM unnest(%(ids)s::pg_catalog.text[], %(intents)s::pg_catalog.text[], %(rechecks)s::pg_catalog.timestamptz[]) AS n (stored_id, payment_intent, recheck_at)
ORDER BY n.stored_id
ON CONFLICT (account, stored_id) DO UPDATE
SET payment_intent = excluded.payment_intent, recheck_at = excluded.recheck_at, checked_at = pg_catalog.now()

-- name: outbox_waiting
-- After a person's sweep: a corrected status ships nothing until these rows are acted on.
SELECT pg_catalog.count(*) FROM reconciler.outbox WHERE account OPERATOR(pg_catalog.=) %(account)s AND delivered_at IS NULL

-- name: page_pause
-- Whether this account is paused. Asked again after the ledger's head is locked: a pause locks it too.
SELECT p.since, p.until, p.asked_by
FROM reconciler.pauses AS p
WHERE p.account OPERATOR(pg_catalog.=) %(account)s
    AND (p.until IS NULL OR p.until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())

-- name: pairs_of_any_account
-- What a person names may belong to any account.
SELECT account, stored_id, payment_intent
FROM reconciler.stored_ids
WHERE account OPERATOR(pg_catalog.=) ANY(%(accounts)s)
    AND (stored_id OPERATOR(pg_catalog.=) ANY(%(texts)s) OR payment_intent OPERATOR(pg_catalog.=) ANY(%(texts)s))
ORDER BY account, stored_id

-- name: page_acceptance_answer
-- In the transaction of the write, so that what a reviewer accepted is written once. No row: it was answered or has expired.
UPDATE reconciler.acceptance_requests
SET status = 'done', answer = %(answer)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s
    AND status OPERATOR(pg_catalog.=) 'asked' AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
