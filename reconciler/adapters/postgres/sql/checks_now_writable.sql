-- what was only reported so far may be corrected from now on: it is not left to its day; Stripe's clock may be behind
UPDATE reconciler.checks AS c
SET due_at = now() - interval '1 minute'
FROM reconciler.discrepancies AS d
WHERE c.account = %(account)s AND c.due_at > now() AND d.account = c.account AND d.payment_intent = c.payment_intent
    AND d.state = 'open' AND d.reason IN ('report_mode', 'not_applied')
