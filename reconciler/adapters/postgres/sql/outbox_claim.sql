-- the oldest that is due, as a probe the one tried least, and of each payment no later row before an earlier one; one that
-- somebody works on is left
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
