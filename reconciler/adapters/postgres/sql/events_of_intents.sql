SELECT id, type, created, payment_intent, delivered
FROM reconciler.events
WHERE account = %(account)s AND payment_intent = ANY(%(intents)s)
ORDER BY created, id
