SELECT
    id, account, kind, severity, state, payment_intent, keys, stake_amount, currency, reason, cause, closing,
    note, resolved_by, first_seen, last_seen, fingerprint, local, stripe, evidence
FROM reconciler.discrepancies
WHERE (%(id)s::bigint IS NULL OR id = %(id)s::bigint)
    AND (%(account)s::text IS NULL OR account = %(account)s::text)
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
    AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s::text[]))
    AND (%(severities)s::text[] IS NULL OR severity = ANY(%(severities)s::text[]))
    AND (%(since)s::timestamptz IS NULL OR last_seen >= %(since)s::timestamptz)
    AND (%(payment_intent)s::text IS NULL OR payment_intent = %(payment_intent)s::text)
ORDER BY last_seen DESC, id DESC
LIMIT %(limit)s
