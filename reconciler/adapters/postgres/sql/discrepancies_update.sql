-- met again: the identity, the first time and, while the state stays, what a person said remain
UPDATE reconciler.discrepancies AS d
SET
    payment_intent = c.payment_intent,
    keys = c.keys,
    severity = c.severity,
    state = c.state,
    reason = c.reason,
    cause = c.cause,
    closing = NULL,
    note = CASE WHEN d.state = c.state THEN d.note END,
    resolved_by = CASE WHEN d.state = c.state THEN d.resolved_by END,
    stake_amount = c.stake_amount,
    currency = c.currency,
    local = c.local,
    stripe = c.stripe,
    evidence = c.evidence,
    fingerprint = c.fingerprint,
    last_seen = greatest(d.last_seen, %(seen_at)s),
    changed_at = CASE WHEN c.is_news THEN %(seen_at)s ELSE d.changed_at END,
    sweep = coalesce(%(sweep)s, d.sweep)
FROM jsonb_to_recordset(%(changes)s::jsonb) AS c (
    subject text, kind text, payment_intent text, keys text[], severity text, state text, reason text, cause text,
    stake_amount bigint, currency text, local jsonb, stripe jsonb, evidence jsonb, fingerprint text, is_news boolean
)
WHERE d.account = %(account)s AND d.subject = c.subject AND d.kind = c.kind
