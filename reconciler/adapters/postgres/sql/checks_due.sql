SELECT payment_intent
FROM reconciler.checks
WHERE account = %(account)s AND due_at <= %(now)s AND reason <> %(scheduled)s
ORDER BY due_at, payment_intent
LIMIT %(limit)s
