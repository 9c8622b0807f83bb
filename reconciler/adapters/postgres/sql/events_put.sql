-- an event never changes, but its delivery may end
INSERT INTO reconciler.events AS e (account, id, type, created, payment_intent, delivered)
SELECT %(account)s, n.id, n.type, n.created, n.payment_intent, n.delivered
FROM unnest(
    %(ids)s::text[], %(types)s::text[], %(created)s::timestamptz[], %(intents)s::text[], %(delivered)s::boolean[]
) AS n (id, type, created, payment_intent, delivered)
ORDER BY n.id
ON CONFLICT (account, id) DO UPDATE SET delivered = true WHERE excluded.delivered AND NOT e.delivered
