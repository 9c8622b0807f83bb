-- name: outbox_put
-- The head stays locked until the transaction ends, so the entries just appended are the last before it.
INSERT INTO reconciler.outbox (
    account, payment_key, payment_intent, kind, from_status, to_status, outcome, ledger_seq
)
SELECT
    heads.account, o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome,
    heads.seq OPERATOR(pg_catalog.-) %(entries)s OPERATOR(pg_catalog.+) o.position
FROM reconciler.ledger_heads AS heads
CROSS JOIN unnest(
    %(keys)s::pg_catalog.text[], %(intents)s::pg_catalog.text[], %(kinds)s::pg_catalog.text[], %(from_statuses)s::pg_catalog.text[],
    %(to_statuses)s::pg_catalog.text[], %(outcomes)s::pg_catalog.text[]
) WITH ORDINALITY AS o (payment_key, payment_intent, kind, from_status, to_status, outcome, position)
WHERE heads.account OPERATOR(pg_catalog.=) %(account)s
ORDER BY o.position

-- name: outbox_notify
-- The merchant's worker may listen instead of polling.
SELECT pg_catalog.pg_notify('reconciler_outbox', %(account)s)

-- name: outbox_claim
-- The oldest row that is due, or as a probe the row tried least. Never a later row of a payment before an earlier one,
-- and no row that another process works on.
UPDATE reconciler.outbox AS o
SET claimed_until = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s),
    attempts = o.attempts OPERATOR(pg_catalog.+) 1,
    tried_since = coalesce(o.tried_since, pg_catalog.clock_timestamp()),
    last_attempt_at = pg_catalog.clock_timestamp()
WHERE o.account OPERATOR(pg_catalog.=) %(account)s AND o.id OPERATOR(pg_catalog.=) (
    SELECT w.id
    FROM reconciler.outbox AS w
    WHERE w.account OPERATOR(pg_catalog.=) %(account)s AND w.delivered_at IS NULL AND w.given_up_at IS NULL
        AND (w.claimed_until IS NULL OR w.claimed_until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp())
        AND (w.next_attempt_at IS NULL OR w.next_attempt_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp())
        AND NOT EXISTS (
            SELECT FROM reconciler.outbox AS earlier
            WHERE earlier.account OPERATOR(pg_catalog.=) w.account AND earlier.payment_key OPERATOR(pg_catalog.=) w.payment_key AND earlier.id OPERATOR(pg_catalog.<) w.id
                AND earlier.delivered_at IS NULL
        )
    ORDER BY CASE WHEN %(probe)s THEN w.attempts ELSE 0 END, w.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING
    o.id, o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome, o.ledger_seq, o.created_at,
    o.attempts, extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) o.tried_since)::pg_catalog.float8

-- name: outbox_delivered
-- It does not check the lease: the endpoint has received it, and this keeps it from being sent again.
UPDATE reconciler.outbox
SET delivered_at = greatest(pg_catalog.clock_timestamp(), created_at), claimed_until = NULL, next_attempt_at = NULL, given_up_at = NULL
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND delivered_at IS NULL

-- name: outbox_failed
-- Nothing happens if another process has claimed or delivered it meanwhile.
UPDATE reconciler.outbox
SET last_error = %(error)s,
    claimed_until = NULL,
    next_attempt_at = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => %(seconds)s),
    given_up_at = CASE WHEN %(given_up)s THEN pg_catalog.clock_timestamp() END
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s AND attempts OPERATOR(pg_catalog.=) %(attempt)s AND delivered_at IS NULL

-- name: outbox_try_now
-- A row that failed more often than an unreachable endpoint explains keeps its own pause.
UPDATE reconciler.outbox
SET next_attempt_at = NULL
WHERE account OPERATOR(pg_catalog.=) %(account)s AND delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
    AND attempts OPERATOR(pg_catalog.<=) %(most_attempts)s

-- name: outbox_of_entries
-- The rows that announce writes of the ledger, and their delivery. A worker of the merchant's may have deleted some.
SELECT id, ledger_seq, payment_key, created_at, attempts, delivered_at, given_up_at, next_attempt_at, last_error
FROM reconciler.outbox
WHERE account OPERATOR(pg_catalog.=) %(account)s AND ledger_seq OPERATOR(pg_catalog.=) ANY(%(seqs)s)
ORDER BY id

-- name: outbox_newest
-- The row that announces the last write to a payment. A worker of the merchant's may have deleted it.
SELECT coalesce(pg_catalog.max(id), 0)
FROM reconciler.outbox
WHERE account OPERATOR(pg_catalog.=) %(account)s AND payment_key OPERATOR(pg_catalog.=) %(key)s
    AND payment_intent OPERATOR(pg_catalog.=) %(intent)s
