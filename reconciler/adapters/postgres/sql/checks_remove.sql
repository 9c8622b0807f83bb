-- a check that lies after the verdict was left by somebody who knew more
DELETE FROM reconciler.checks
WHERE account = %(account)s AND payment_intent = ANY(%(intents)s)
    AND (reason = %(scheduled)s OR due_at <= %(now)s::timestamptz OR %(now)s::timestamptz IS NULL)
