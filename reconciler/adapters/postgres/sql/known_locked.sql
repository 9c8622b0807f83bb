-- so that what a person decides meanwhile is neither missed nor overwritten
SELECT id, subject, kind, state, fingerprint, reason
FROM reconciler.discrepancies
WHERE account = %(account)s AND subject = ANY(%(intents)s)
ORDER BY id
FOR NO KEY UPDATE
