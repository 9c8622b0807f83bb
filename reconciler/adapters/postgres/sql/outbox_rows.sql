SELECT
    id, account, payment_key, payment_intent, kind, from_status, to_status, outcome, ledger_seq, created_at,
    delivered_at, attempts, last_error
FROM reconciler.outbox
WHERE account = %(account)s AND id > %(after)s AND (delivered_at IS NULL OR NOT %(waiting)s)
ORDER BY id
LIMIT %(limit)s
