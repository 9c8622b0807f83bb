INSERT INTO shop.payments
    (id, order_id, stripe_payment_intent_id, status, amount, currency, created_at, updated_at)
VALUES
    (%(id)s::uuid, %(order_id)s, %(payment_intent)s, %(status)s, %(amount)s, %(currency)s, %(created_at)s, %(created_at)s)
