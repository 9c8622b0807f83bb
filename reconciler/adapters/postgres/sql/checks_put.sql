-- the schedule takes no other check's place, unless the verdict that it comes with was what that check waited for
INSERT INTO reconciler.checks AS k (account, payment_intent, due_at, reason)
SELECT %(account)s, c.payment_intent, c.due_at, c.reason
FROM unnest(%(intents)s::text[], %(due)s::timestamptz[], %(reasons)s::text[]) AS c (payment_intent, due_at, reason)
ORDER BY c.payment_intent
ON CONFLICT (account, payment_intent) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason
WHERE k.reason = %(scheduled)s OR excluded.reason <> %(scheduled)s OR k.due_at <= %(now)s::timestamptz
