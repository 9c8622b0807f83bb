DELETE FROM reconciler.checks
WHERE account = %(account)s AND payment_intent = ANY(%(intents)s)
