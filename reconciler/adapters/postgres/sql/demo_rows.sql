SELECT id::text, order_id, stripe_payment_intent_id, status, amount, currency, created_at
  FROM shop.payments
 ORDER BY id
