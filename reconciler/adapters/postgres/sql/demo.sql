-- name: demo_schema
-- What a small shop has, made without Reconciler in mind. The webhook handler keeps updated_at at the event's time.
CREATE SCHEMA shop
    CREATE TABLE payments (
        id uuid PRIMARY KEY,
        order_id text NOT NULL,
        stripe_payment_intent_id text,
        status text NOT NULL,
        amount integer NOT NULL CHECK (amount > 0),
        currency text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    CREATE INDEX payments_intent ON payments (stripe_payment_intent_id)
    CREATE INDEX payments_order ON payments (order_id)
    CREATE INDEX payments_created ON payments (created_at)

-- name: demo_add
-- A customer's new payment.
INSERT INTO shop.payments
    (id, order_id, stripe_payment_intent_id, status, amount, currency, created_at, updated_at)
VALUES
    (%(id)s::uuid, %(order_id)s, %(payment_intent)s, %(status)s, %(amount)s, %(currency)s, %(created_at)s, %(created_at)s)

-- name: demo_take
-- The news of a webhook, unless a later event was taken already: Stripe does not promise their order.
UPDATE shop.payments
   SET status = %(status)s,
       stripe_payment_intent_id = %(payment_intent)s,
       updated_at = %(at)s
 WHERE (stripe_payment_intent_id = %(payment_intent)s
        OR (stripe_payment_intent_id IS NULL AND order_id = %(order_id)s))
   AND updated_at <= %(at)s

-- name: demo_rows
-- The shop's side, for the oracle.
SELECT id::text, order_id, stripe_payment_intent_id, status, amount, currency, created_at
  FROM shop.payments
 ORDER BY id

-- name: demo_findings
-- What was found, for the oracle, without going through Reconciler's own reading.
SELECT subject, kind, state, severity, stake_amount, currency
  FROM reconciler.discrepancies
 ORDER BY kind, subject

-- name: demo_rechecks
-- What waits, for the oracle.
SELECT payment_intent FROM reconciler.rechecks

-- name: demo_outbox
-- What the merchant's worker is told, for the oracle.
SELECT payment_key, to_status FROM reconciler.outbox ORDER BY id
