-- name: outbox_put
-- The head stays locked until the transaction ends, so the entries just appended are the last before it.
INSERT INTO reconciler.outbox (
    account, payment_key, payment_intent, kind, from_status, to_status, outcome, ledger_seq
)
SELECT
    heads.account, o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome,
    heads.seq - %(entries)s + o.position
FROM reconciler.ledger_heads AS heads
CROSS JOIN unnest(
    %(keys)s::text[], %(intents)s::text[], %(kinds)s::text[], %(from_statuses)s::text[],
    %(to_statuses)s::text[], %(outcomes)s::text[]
) WITH ORDINALITY AS o (payment_key, payment_intent, kind, from_status, to_status, outcome, position)
WHERE heads.account = %(account)s
ORDER BY o.position

-- name: outbox_notify
-- The merchant's worker may listen instead of polling.
SELECT pg_notify('reconciler_outbox', %(account)s)

-- name: outbox_claim
-- The oldest row that is due, or as a probe the row tried least. Never a later row of a payment before an earlier one,
-- and no row that another process works on.
UPDATE reconciler.outbox AS o
SET claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    attempts = o.attempts + 1,
    tried_since = coalesce(o.tried_since, clock_timestamp()),
    last_attempt_at = clock_timestamp()
WHERE o.account = %(account)s AND o.id = (
    SELECT w.id
    FROM reconciler.outbox AS w
    WHERE w.account = %(account)s AND w.delivered_at IS NULL AND w.given_up_at IS NULL
        AND (w.claimed_until IS NULL OR w.claimed_until <= clock_timestamp())
        AND (w.next_attempt_at IS NULL OR w.next_attempt_at <= clock_timestamp())
        AND NOT EXISTS (
            SELECT FROM reconciler.outbox AS earlier
            WHERE earlier.account = w.account AND earlier.payment_key = w.payment_key AND earlier.id < w.id
                AND earlier.delivered_at IS NULL
        )
    ORDER BY CASE WHEN %(probe)s THEN w.attempts ELSE 0 END, w.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING
    o.id, o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome, o.ledger_seq, o.created_at,
    o.attempts, extract(epoch FROM clock_timestamp() - o.tried_since)::float8

-- name: outbox_delivered
-- It does not check the lease: the endpoint has received it, and this keeps it from being sent again.
UPDATE reconciler.outbox
SET delivered_at = greatest(clock_timestamp(), created_at), claimed_until = NULL, next_attempt_at = NULL, given_up_at = NULL
WHERE account = %(account)s AND id = %(id)s AND delivered_at IS NULL

-- name: outbox_failed
-- Nothing happens if another process has claimed or delivered it meanwhile.
UPDATE reconciler.outbox
SET last_error = %(error)s,
    claimed_until = NULL,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(seconds)s),
    given_up_at = CASE WHEN %(given_up)s THEN clock_timestamp() END
WHERE account = %(account)s AND id = %(id)s AND attempts = %(attempt)s AND delivered_at IS NULL

-- name: outbox_try_now
-- A row that failed more often than an unreachable endpoint explains keeps its own pause.
UPDATE reconciler.outbox
SET next_attempt_at = NULL
WHERE account = %(account)s AND delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at > clock_timestamp()
    AND attempts <= %(most_attempts)s
