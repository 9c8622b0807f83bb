-- checks that wait for a verdict; what is only scheduled waits for nothing
SELECT payment_intent
FROM reconciler.checks
WHERE account = %(account)s AND payment_intent = ANY(%(intents)s) AND reason <> 'schedule'
