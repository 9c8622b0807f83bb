INSERT INTO reconciler.discrepancies AS d (
    account, subject, kind, payment_intent, keys, severity, state, reason, cause, stake_amount, currency,
    local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at, sweep
)
SELECT
    %(account)s, c.subject, c.kind, c.payment_intent, c.keys, c.severity, c.state, c.reason, c.cause,
    c.stake_amount, c.currency, c.local, c.stripe, c.evidence, c.fingerprint,
    %(seen_at)s, %(seen_at)s, %(seen_at)s, %(sweep)s
FROM jsonb_to_recordset(%(changes)s::jsonb) AS c (
    subject text, kind text, payment_intent text, keys text[], severity text, state text, reason text, cause text,
    stake_amount bigint, currency text, local jsonb, stripe jsonb, evidence jsonb, fingerprint text
)
ORDER BY c.subject, c.kind
-- somebody was quicker with the very same: it is met again. What a person has settled since stays as it is, with its
-- fingerprint, so that the next pass sees whether this one differs
ON CONFLICT (account, subject, kind) DO UPDATE SET
    payment_intent = excluded.payment_intent,
    keys = excluded.keys,
    severity = excluded.severity,
    state = excluded.state,
    reason = excluded.reason,
    cause = excluded.cause,
    closing = NULL,
    note = NULL,
    resolved_by = NULL,
    stake_amount = excluded.stake_amount,
    currency = excluded.currency,
    local = excluded.local,
    stripe = excluded.stripe,
    evidence = excluded.evidence,
    fingerprint = excluded.fingerprint,
    last_seen = greatest(d.last_seen, excluded.last_seen),
    changed_at = excluded.changed_at,
    sweep = excluded.sweep
WHERE d.state NOT IN ('resolved', 'ignored')
