SELECT payment_intent, due_at, reason
FROM reconciler.checks
WHERE account = %(account)s AND payment_intent = %(payment_intent)s
