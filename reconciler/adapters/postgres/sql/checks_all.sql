SELECT payment_intent, due_at, reason
FROM reconciler.checks
WHERE account = %(account)s
ORDER BY due_at, payment_intent
LIMIT %(limit)s
