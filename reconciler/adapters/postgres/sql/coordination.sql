-- name: lease_acquire
-- Each takeover has a higher epoch: the holder of an earlier one can write nothing more.
INSERT INTO reconciler.leases AS l (account, epoch, holder, expires_at)
VALUES (%(account)s, 1, %(holder)s, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s))
ON CONFLICT (account) DO UPDATE SET
    epoch = l.epoch OPERATOR(pg_catalog.+) 1,
    holder = excluded.holder,
    expires_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s)
WHERE l.holder IS NULL OR l.expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
RETURNING epoch

-- name: lease_renew
-- Only a holder whose lease has not expired may extend it.
UPDATE reconciler.leases
SET expires_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s)
WHERE account OPERATOR(pg_catalog.=) %(account)s AND holder OPERATOR(pg_catalog.=) %(holder)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()

-- name: lease_release
-- The next holder counts the reads of the last second as its own.
UPDATE reconciler.leases
SET holder = NULL, expires_at = NULL, ended_at = pg_catalog.clock_timestamp(), last_second = %(last_second)s
WHERE account OPERATOR(pg_catalog.=) %(account)s AND holder OPERATOR(pg_catalog.=) %(holder)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: lease_last_second
-- Only a holder that released its lease may have read in the last second; one that died stopped before its lease ended.
SELECT last_second
FROM reconciler.leases
WHERE account OPERATOR(pg_catalog.=) %(account)s AND ended_at OPERATOR(pg_catalog.>) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) interval '1 second')

-- name: lease_holder
-- The process that works on the account now.
SELECT holder
FROM reconciler.leases
WHERE account OPERATOR(pg_catalog.=) %(account)s AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()

-- name: replicas_renew
-- A replica is alive as long as it renews this row.
INSERT INTO reconciler.replicas (account, replica, expires_at)
SELECT a.account, %(replica)s, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s)
FROM pg_catalog.unnest(%(accounts)s::pg_catalog.text[]) AS a (account)
ORDER BY 1
ON CONFLICT (account, replica) DO UPDATE SET expires_at = excluded.expires_at

-- name: replicas_view
-- The holder of each account now, and the live replicas eligible for it. Accounts of other services count as their load.
SELECT a.account, l.holder, array(
    SELECT r.replica FROM reconciler.replicas AS r
    WHERE r.account OPERATOR(pg_catalog.=) a.account AND r.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
)
FROM (
    SELECT account FROM reconciler.leases
    UNION SELECT account FROM reconciler.replicas
    UNION SELECT pg_catalog.unnest(%(accounts)s::pg_catalog.text[])
) AS a
LEFT JOIN reconciler.leases AS l ON l.account OPERATOR(pg_catalog.=) a.account AND l.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()

-- name: replicas_withdraw
-- A replica that leaves frees its accounts at once.
DELETE FROM reconciler.replicas WHERE account OPERATOR(pg_catalog.=) ANY(%(accounts)s::pg_catalog.text[]) AND replica OPERATOR(pg_catalog.=) %(replica)s

-- name: reserved_share_in_use
-- Accounts that another process reads beside their holder: it has the lock. The lock tried here ends with the statement.
SELECT a.account
FROM pg_catalog.unnest(%(accounts)s::pg_catalog.text[]) AS a (account)
WHERE NOT pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtext('reconciler reserved share'), pg_catalog.hashtext(a.account))

-- name: reserved_share_enter
-- One process an account at a time; the lock ends with the transaction, however that ends.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('reconciler reserved share'), pg_catalog.hashtext(%(account)s))

-- name: reserved_share_timeouts
-- Processes wait for the reserved share one after another, and idle between their reads.
SELECT pg_catalog.set_config('lock_timeout', '60s', true), pg_catalog.set_config('statement_timeout', '70s', true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)

-- name: request_ask
-- The notification wakes the service that holds the account.
WITH asked AS (
    INSERT INTO reconciler.sweep_requests (account, asked_by, options)
    VALUES (%(account)s, %(asked_by)s, %(options)s::pg_catalog.jsonb)
    RETURNING account, id
)
SELECT id, pg_catalog.pg_notify('reconciler_sweep_requests', account) FROM asked

-- name: request_take
-- The oldest request first; two workers never take the same one.
UPDATE reconciler.sweep_requests
SET status = 'taken', epoch = %(epoch)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) (
    SELECT id
    FROM reconciler.sweep_requests
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND status OPERATOR(pg_catalog.=) 'asked'
    ORDER BY id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, asked_by, options

-- name: request_state
-- How the request stands, for the process that follows it.
SELECT status, examined, result, answer, epoch
FROM reconciler.sweep_requests
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s

-- name: request_progress
-- Only the holder that took the request may report on it.
UPDATE reconciler.sweep_requests
SET examined = %(examined)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'taken' AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: request_finish
-- Only the holder that took the request may finish it.
UPDATE reconciler.sweep_requests
SET status = 'done', sweep = %(sweep)s, result = %(result)s::pg_catalog.jsonb, examined = %(examined)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'taken' AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: request_add_lines
-- Only the holder that took the request may add to its lines.
INSERT INTO reconciler.sweep_request_lines (account, request, epoch, page, lines)
SELECT account, id, epoch, %(page)s, %(lines)s::pg_catalog.jsonb
FROM reconciler.sweep_requests
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'taken' AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: request_take_lines
-- A page is of no use to any other process once the command has read it.
DELETE FROM reconciler.sweep_request_lines
WHERE account OPERATOR(pg_catalog.=) %(account)s AND request OPERATOR(pg_catalog.=) %(id)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s AND page OPERATOR(pg_catalog.=) %(page)s
RETURNING lines

-- name: request_refuse
-- Only the holder that took the request may refuse it.
UPDATE reconciler.sweep_requests
SET status = 'refused', epoch = NULL, sweep = NULL, answer = %(answer)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'taken' AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: request_withdraw
-- A request can be withdrawn until a live holder works on it.
UPDATE reconciler.sweep_requests AS r
SET status = 'refused', epoch = NULL, sweep = NULL, answer = %(answer)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s
    AND (
        status OPERATOR(pg_catalog.=) 'asked'
        OR status OPERATOR(pg_catalog.=) 'taken' AND NOT EXISTS (
            SELECT FROM reconciler.leases AS l
            WHERE l.account OPERATOR(pg_catalog.=) r.account AND l.epoch OPERATOR(pg_catalog.=) r.epoch AND l.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
        )
    )

-- name: acceptance_ask
-- The notification wakes the service that holds the account. A second request for what was decided meanwhile is not stored.
WITH asked AS (
    INSERT INTO reconciler.acceptance_requests (account, discrepancy, fingerprint, row_key, amount_differs, note, asked_by)
    SELECT d.account, d.id, d.fingerprint, %(row_key)s, %(amount_differs)s, %(note)s, %(asked_by)s
    FROM reconciler.discrepancies AS d
    WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.id OPERATOR(pg_catalog.=) %(discrepancy)s
        AND d.fingerprint OPERATOR(pg_catalog.=) %(fingerprint)s AND d.state OPERATOR(pg_catalog.=) 'open'
        AND NOT EXISTS (
            SELECT FROM reconciler.acceptance_requests AS r
            WHERE r.account OPERATOR(pg_catalog.=) d.account AND r.discrepancy OPERATOR(pg_catalog.=) d.id
                AND r.status OPERATOR(pg_catalog.=) 'asked' AND r.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
        )
    RETURNING account
)
SELECT pg_catalog.pg_notify('reconciler_sweep_requests', account) FROM asked

-- name: acceptances_waiting
-- The oldest first; without those that expired, and those that failed a moment ago.
SELECT id, discrepancy, fingerprint, row_key, amount_differs, note, asked_by, role
FROM reconciler.acceptance_requests
WHERE account OPERATOR(pg_catalog.=) %(account)s AND status OPERATOR(pg_catalog.=) 'asked'
    AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp() AND next_attempt_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
ORDER BY id
LIMIT %(limit)s

-- name: acceptance_refuse
-- One that was answered meanwhile keeps its answer.
UPDATE reconciler.acceptance_requests
SET status = 'refused', answer = %(answer)s, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'asked'

-- name: acceptance_postpone
-- Tried again after 1 minute, then 2, 4 and so on up to an hour: each attempt reads from Stripe.
UPDATE reconciler.acceptance_requests
SET attempts = attempts OPERATOR(pg_catalog.+) 1, answer = %(answer)s, changed_at = pg_catalog.now(),
    next_attempt_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(mins => least(60, pg_catalog.pow(2, least(attempts, 6))::pg_catalog.int4))
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND status OPERATOR(pg_catalog.=) 'asked'

-- name: requests_listen
-- A notification saves the service a query every second.
LISTEN reconciler_sweep_requests

-- name: requests_reopen
-- The process that had taken them lost its lease: the requests that it did not finish wait again.
UPDATE reconciler.sweep_requests
SET status = 'asked', epoch = NULL, sweep = NULL, examined = 0, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND status OPERATOR(pg_catalog.=) 'taken' AND epoch OPERATOR(pg_catalog.<) %(epoch)s

-- name: service_at_work
-- A service serves an account only while its lease holds.
SELECT s.holder, s.epoch, s.mode
FROM reconciler.services AS s
JOIN reconciler.leases AS l ON l.account OPERATOR(pg_catalog.=) s.account AND l.epoch OPERATOR(pg_catalog.=) s.epoch AND l.holder OPERATOR(pg_catalog.=) s.holder
WHERE s.account OPERATOR(pg_catalog.=) %(account)s AND l.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()

-- name: service_register
-- A later epoch replaces what an earlier holder recorded.
INSERT INTO reconciler.services AS s (account, holder, epoch, mode)
VALUES (%(account)s, %(holder)s, %(epoch)s, %(mode)s)
ON CONFLICT (account) DO UPDATE SET
    holder = excluded.holder, epoch = excluded.epoch, mode = excluded.mode, since = pg_catalog.now(),
    error = NULL, error_at = NULL, needs_person = false, rate_usage = NULL, rate_usage_at = NULL
WHERE s.epoch OPERATOR(pg_catalog.<=) excluded.epoch

-- name: service_error
-- error_at is the time at which this error was first met.
UPDATE reconciler.services
SET error = %(error)s::pg_catalog.text,
    error_at = CASE WHEN %(error)s::pg_catalog.text IS NULL THEN NULL WHEN error OPERATOR(pg_catalog.=) %(error)s::pg_catalog.text THEN error_at ELSE pg_catalog.now() END,
    needs_person = %(needs_person)s
WHERE account OPERATOR(pg_catalog.=) %(account)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s
    AND (error IS DISTINCT FROM %(error)s::pg_catalog.text OR needs_person OPERATOR(pg_catalog.<>) %(needs_person)s)

-- name: service_rate_usage
-- How fast the service reads Stripe, for the status command in another process.
UPDATE reconciler.services
SET rate_usage = %(rate_usage)s::pg_catalog.jsonb, rate_usage_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s

-- name: status_lease
-- The process that holds the lease now, and the service that took the account last.
SELECT
    l.holder, extract(epoch FROM l.expires_at OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp())::pg_catalog.float8,
    s.holder IS NOT NULL AND s.holder OPERATOR(pg_catalog.=) l.holder AND s.epoch OPERATOR(pg_catalog.=) l.epoch,
    s.mode, s.since, s.error, s.error_at, coalesce(s.needs_person, false)
FROM (SELECT %(account)s::pg_catalog.text AS account) AS a
LEFT JOIN reconciler.leases AS l ON l.account OPERATOR(pg_catalog.=) a.account AND l.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
LEFT JOIN reconciler.services AS s ON s.account OPERATOR(pg_catalog.=) a.account

-- name: status_sweeps
-- For each kind the last complete sweep of all that it reads, and the last that ended. A sweep of named payments or of a
-- range of time does not count. The index finds the kinds one by one: there are four among hundreds of thousands of sweeps.
WITH RECURSIVE k (kind) AS (
    (SELECT kind FROM reconciler.sweeps WHERE account OPERATOR(pg_catalog.=) %(account)s ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT s.kind FROM reconciler.sweeps AS s WHERE s.account OPERATOR(pg_catalog.=) %(account)s AND s.kind OPERATOR(pg_catalog.>) k.kind ORDER BY s.kind LIMIT 1)
    FROM k
    WHERE k.kind IS NOT NULL
)
SELECT k.kind,
    done.id, done.finished_at, extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) done.finished_at)::pg_catalog.float8,
    done.asked_by, last.id, last.finished_at, last.complete,
    coalesce(last.report OPERATOR(pg_catalog.->>) 'stopped', last.report OPERATOR(pg_catalog.#>>) '{{not_examined,0,why}}'::pg_catalog.text[]),
    coalesce((last.report OPERATOR(pg_catalog.->>) 'other_ids')::bigint, 0), last.report OPERATOR(pg_catalog.->>) 'other_id_example',
    last.report OPERATOR(pg_catalog.->>) 'anchor_error', nullif(last.report OPERATOR(pg_catalog.->) 'rows_of_no_account', 'null'::pg_catalog.jsonb)
FROM k
LEFT JOIN LATERAL (
    SELECT id, finished_at, asked_by FROM reconciler.sweeps
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND kind OPERATOR(pg_catalog.=) k.kind AND complete
        AND ((report OPERATOR(pg_catalog.->>) 'is_part') IS DISTINCT FROM 'true')
    ORDER BY id DESC LIMIT 1
) AS done ON true
LEFT JOIN LATERAL (
    SELECT id, finished_at, complete, report FROM reconciler.sweeps
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND kind OPERATOR(pg_catalog.=) k.kind AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
) AS last ON true
WHERE k.kind IS NOT NULL
ORDER BY k.kind

-- name: status_discrepancies
-- Open discrepancies by severity and kind, with the money at stake. A payment may have several, so the second sum counts it
-- once, under its greatest stake.
SELECT severity, kind, held_back, currency, pg_catalog.count(*), pg_catalog.sum(stake_amount)::bigint,
    coalesce(pg_catalog.sum(stake_amount) FILTER (WHERE is_greatest), 0)::bigint
FROM (
    SELECT severity, kind, coalesce(reason OPERATOR(pg_catalog.=) 'hourly_limit', false) AS held_back, currency, stake_amount,
        (pg_catalog.row_number() OVER (
            PARTITION BY coalesce(payment_intent, subject), currency ORDER BY stake_amount DESC, id
        )) OPERATOR(pg_catalog.=) 1 AS is_greatest
    FROM reconciler.discrepancies
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND state OPERATOR(pg_catalog.=) 'open'
) AS d
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 4

-- name: status_refusals
-- Corrections that the merchant's table refuses, by the rule that refuses them.
SELECT reason, coalesce(evidence OPERATOR(pg_catalog.->>) 'constraint', ''),
    pg_catalog.max(coalesce(evidence OPERATOR(pg_catalog.->>) 'message', '')), pg_catalog.count(*)
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s AND state OPERATOR(pg_catalog.=) 'open'
    AND reason OPERATOR(pg_catalog.=) ANY (ARRAY['refused_by_table', 'not_kept_by_table'])
GROUP BY 1, 2
ORDER BY 4 DESC, 1, 2
LIMIT 20

-- name: status_requests
-- How many one-off sweeps wait for the service.
SELECT pg_catalog.count(*) FROM reconciler.sweep_requests WHERE account OPERATOR(pg_catalog.=) %(account)s AND status OPERATOR(pg_catalog.=) ANY (ARRAY['asked', 'taken'])

-- name: status_lag
-- How far a source that runs again and again is behind the present.
SELECT greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) handled_until))::pg_catalog.float8
FROM reconciler.cursors
WHERE account OPERATOR(pg_catalog.=) %(account)s AND name OPERATOR(pg_catalog.=) %(cursor)s

-- name: status_rate_usage
-- How fast the service read Stripe when it last recorded that.
SELECT rate_usage, rate_usage_at FROM reconciler.services WHERE account OPERATOR(pg_catalog.=) %(account)s

-- name: status_outbox
-- last_error is that of the latest attempt among the rows that wait.
SELECT
    pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE given_up_at IS NOT NULL),
    extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.min(created_at))::pg_catalog.float8,
    (pg_catalog.array_agg(last_error ORDER BY last_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1],
    coalesce(pg_catalog.sum(attempts) FILTER (WHERE last_error IS NOT NULL), 0)::pg_catalog.int8,
    pg_catalog.min(tried_since) FILTER (WHERE last_error IS NOT NULL)
FROM reconciler.outbox
WHERE account OPERATOR(pg_catalog.=) %(account)s AND delivered_at IS NULL

-- name: correction_delays
-- Seconds from the newest known event of each corrected intent to its correction, for one sweep.
SELECT extract(epoch FROM l.at OPERATOR(pg_catalog.-) pg_catalog.max(e.created))::pg_catalog.float8
FROM reconciler.ledger AS l
JOIN reconciler.events AS e ON e.account OPERATOR(pg_catalog.=) l.account AND e.payment_intent OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'payment_intent')
WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) 'correction' AND (l.body OPERATOR(pg_catalog.->) 'sweep') OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(%(sweep)s::bigint)
    AND e.created OPERATOR(pg_catalog.<=) l.at
GROUP BY l.seq, l.at

-- name: housekeeping_events
-- Stripe keeps events for 30 days, and so does Reconciler.
DELETE FROM reconciler.events WHERE account OPERATOR(pg_catalog.=) %(account)s AND created OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))

-- name: housekeeping_reads
-- Stripe counts reads over 30 days; older sums have no use.
DELETE FROM reconciler.reads WHERE account OPERATOR(pg_catalog.=) %(account)s AND hour OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))

-- name: housekeeping_replicas
-- A live replica renews its row several times a minute.
DELETE FROM reconciler.replicas WHERE account OPERATOR(pg_catalog.=) %(account)s AND expires_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 hour')

-- name: housekeeping_requests
-- A request that was answered long ago, with the report that it waited for.
SELECT reconciler.delete_answered(%(account)s, %(days)s::pg_catalog.int4, %(limit)s::pg_catalog.int4)

-- name: housekeeping_request_lines
-- The command that asked for them was ended before it read them.
DELETE FROM reconciler.sweep_request_lines AS l
USING reconciler.sweep_requests AS r
WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND r.account OPERATOR(pg_catalog.=) l.account AND r.id OPERATOR(pg_catalog.=) l.request
    AND r.changed_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))

-- name: housekeeping_sweeps
-- Only a sweep with no correction, request or discrepancy may go, and only if a later one of its kind was complete.
DELETE FROM reconciler.sweeps
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) ANY (
    SELECT s.id
    FROM reconciler.sweeps AS s
    WHERE s.account OPERATOR(pg_catalog.=) %(account)s AND s.started_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))
        AND NOT EXISTS (
            SELECT FROM reconciler.ledger AS l
            WHERE l.account OPERATOR(pg_catalog.=) s.account AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'revert']) AND l.body OPERATOR(pg_catalog.->) 'sweep' OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(s.id)
        )
        AND NOT EXISTS (SELECT FROM reconciler.discrepancies AS d WHERE d.account OPERATOR(pg_catalog.=) s.account AND d.sweep OPERATOR(pg_catalog.=) s.id)
        AND NOT EXISTS (SELECT FROM reconciler.sweep_requests AS r WHERE r.account OPERATOR(pg_catalog.=) s.account AND r.sweep OPERATOR(pg_catalog.=) s.id)
        AND EXISTS (
            SELECT FROM reconciler.sweeps AS later
            WHERE later.account OPERATOR(pg_catalog.=) s.account AND later.kind OPERATOR(pg_catalog.=) s.kind AND later.id OPERATOR(pg_catalog.>) s.id AND later.complete
                AND ((later.report OPERATOR(pg_catalog.->>) 'is_part') IS DISTINCT FROM 'true')
        )
    ORDER BY s.started_at
    LIMIT %(limit)s
)

-- name: status_reads
-- Stripe limits the reads of a rolling 30 days.
SELECT coalesce(pg_catalog.sum(count), 0)
FROM reconciler.reads
WHERE account OPERATOR(pg_catalog.=) %(account)s AND hour OPERATOR(pg_catalog.>) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))

-- name: binding
-- The table that the account belongs to, and the configuration with which it was swept last.
SELECT b.table_name, b.key_column, b.payment_intent, b.account_column, b.account_value, c.fingerprint
FROM reconciler.table_bindings AS b
LEFT JOIN reconciler.configurations AS c ON c.account OPERATOR(pg_catalog.=) b.account
WHERE b.account OPERATOR(pg_catalog.=) %(account)s

-- name: configuration
-- What the configuration was at the last recorded sweep.
SELECT fingerprint, settings FROM reconciler.configurations WHERE account OPERATOR(pg_catalog.=) %(account)s

-- name: configuration_put
-- In one transaction with the entry of the ledger that names what changed.
INSERT INTO reconciler.configurations (account, fingerprint, settings)
VALUES (%(account)s, %(fingerprint)s, %(settings)s::pg_catalog.jsonb)
ON CONFLICT (account) DO UPDATE SET fingerprint = excluded.fingerprint, settings = excluded.settings, recorded_at = pg_catalog.now()

-- name: configuration_first
-- A configuration that a sweep has stored stays: that sweep was made with it.
INSERT INTO reconciler.configurations (account, fingerprint, settings)
VALUES (%(account)s, %(fingerprint)s, %(settings)s::pg_catalog.jsonb)
ON CONFLICT (account) DO NOTHING

-- name: binding_put
-- The first process that binds an account decides.
INSERT INTO reconciler.table_bindings (account, table_name, key_column, payment_intent, account_column, account_value)
VALUES (%(account)s, %(table)s, %(key)s, %(payment_intent)s, %(account_column)s, %(account_value)s)
ON CONFLICT (account) DO NOTHING

-- name: binding_replace
-- Only a person binds an account to another table.
INSERT INTO reconciler.table_bindings (account, table_name, key_column, payment_intent, account_column, account_value)
VALUES (%(account)s, %(table)s, %(key)s, %(payment_intent)s, %(account_column)s, %(account_value)s)
ON CONFLICT (account) DO UPDATE SET
    table_name = excluded.table_name,
    key_column = excluded.key_column,
    payment_intent = excluded.payment_intent,
    account_column = excluded.account_column,
    account_value = excluded.account_value,
    bound_at = pg_catalog.now()

-- name: ledger_rows
-- The rows that were corrected or found last: they tell whether a table is the one that the ledger is about.
SELECT named.key, named.payment_intent
FROM (
    SELECT DISTINCT ON (entry.key) entry.key, entry.payment_intent, entry.seq
    FROM (
        SELECT l.seq, l.body OPERATOR(pg_catalog.->>) 'key' AS key,
            l.body OPERATOR(pg_catalog.->>) 'payment_intent' AS payment_intent
        FROM reconciler.ledger AS l
        WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) 'correction'
        UNION ALL
        SELECT l.seq, (l.body OPERATOR(pg_catalog.->) 'keys') OPERATOR(pg_catalog.->>) 0,
            l.body OPERATOR(pg_catalog.->>) 'subject'
        FROM reconciler.ledger AS l
        WHERE l.account OPERATOR(pg_catalog.=) %(account)s
            AND l.action OPERATOR(pg_catalog.=) ANY(ARRAY['finding_opened', 'finding_changed'])
            AND pg_catalog.jsonb_typeof(l.body OPERATOR(pg_catalog.->) 'keys') OPERATOR(pg_catalog.=) 'array'
            AND pg_catalog.starts_with(l.body OPERATOR(pg_catalog.->>) 'subject', 'pi_')
            AND COALESCE(l.body OPERATOR(pg_catalog.->>) 'reason', '') OPERATOR(pg_catalog.<>) 'row_excluded'
            AND (l.body OPERATOR(pg_catalog.->>) 'kind') OPERATOR(pg_catalog.<>) 'duplicate_payment'
    ) AS entry
    WHERE entry.key IS NOT NULL AND entry.payment_intent IS NOT NULL
    ORDER BY entry.key, entry.seq DESC
) AS named
ORDER BY named.seq DESC
LIMIT %(limit)s

-- name: pause
-- The entry in the ledger and the pause, together.
SELECT reconciler.pause(%(account)s, %(seconds)s, %(asked_by)s, %(body)s)

-- name: resume
-- The entry in the ledger and the end of the pause, together.
SELECT reconciler.resume(%(account)s, %(body)s)

-- name: pause_of_account
-- A pause whose time is over is none. The name that the person gave stands in the entry of the ledger.
SELECT p.since, p.until, p.asked_by, (
    SELECT l.body OPERATOR(pg_catalog.->>) 'claimed_by'
    FROM reconciler.ledger AS l
    WHERE l.account OPERATOR(pg_catalog.=) p.account AND l.action OPERATOR(pg_catalog.=) 'pause'
    ORDER BY l.seq DESC
    LIMIT 1
)
FROM reconciler.pauses AS p
WHERE p.account OPERATOR(pg_catalog.=) %(account)s
    AND (p.until IS NULL OR p.until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())

-- name: housekeeping_rechecks
-- A recheck that whole sweeps have passed over for so long gets no verdict any more. Only a complete sweep shows that it
-- had its turn: after a long stop of the service nothing may be forgotten.
DELETE FROM reconciler.rechecks AS k
WHERE k.account OPERATOR(pg_catalog.=) %(account)s AND k.due_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))
    AND EXISTS (
        SELECT FROM reconciler.sweeps AS s
        WHERE s.account OPERATOR(pg_catalog.=) k.account AND s.kind OPERATOR(pg_catalog.=) ANY (ARRAY['due', 'all']) AND s.complete AND ((s.report OPERATOR(pg_catalog.->>) 'is_part') IS DISTINCT FROM 'true')
            AND s.started_at OPERATOR(pg_catalog.>) (k.due_at OPERATOR(pg_catalog.+) pg_catalog.make_interval(days => %(days)s))
    )

-- name: housekeeping_payment_views
-- Who looked at what is a person's data; what was seen stays marked as seen.
DELETE FROM reconciler.payment_views WHERE account OPERATOR(pg_catalog.=) %(account)s AND at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => %(days)s))

-- name: housekeeping_outbox
-- A message that was delivered long ago; the ledger has the write that it announced.
SELECT reconciler.delete_delivered(%(account)s, %(days)s::pg_catalog.int4, %(limit)s::pg_catalog.int4)
