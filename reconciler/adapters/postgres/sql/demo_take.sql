-- A webhook's news, unless a later one has been taken already: Stripe does not promise their order.
UPDATE shop.payments
   SET status = %(status)s,
       stripe_payment_intent_id = %(payment_intent)s,
       updated_at = %(at)s
 WHERE (stripe_payment_intent_id = %(payment_intent)s
        OR (stripe_payment_intent_id IS NULL AND order_id = %(order_id)s))
   AND updated_at <= %(at)s
