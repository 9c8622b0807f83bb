SELECT id, subject, kind, state, fingerprint, reason
FROM reconciler.discrepancies
WHERE account = %(account)s AND subject = ANY(%(intents)s)
