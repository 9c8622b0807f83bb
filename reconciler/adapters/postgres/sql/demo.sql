-- name: demo_schema
-- The table of a small shop that does not know of Reconciler. Its webhook handler sets updated_at to the event's time.
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
-- The checkout stores a new payment.
INSERT INTO shop.payments
    (id, order_id, stripe_payment_intent_id, status, amount, currency, created_at, updated_at)
VALUES
    (%(id)s::pg_catalog.uuid, %(order_id)s, %(payment_intent)s, %(status)s, %(amount)s, %(currency)s, %(created_at)s, %(created_at)s)

-- name: demo_take
-- A webhook changes the row, unless a later event has already: Stripe does not promise their order.
UPDATE shop.payments
   SET status = %(status)s,
       stripe_payment_intent_id = %(payment_intent)s,
       updated_at = %(at)s
 WHERE (stripe_payment_intent_id OPERATOR(pg_catalog.=) %(payment_intent)s
        OR (stripe_payment_intent_id IS NULL AND order_id OPERATOR(pg_catalog.=) %(order_id)s))
   AND updated_at OPERATOR(pg_catalog.<=) %(at)s

-- name: demo_rows
-- The shop's rows, for the oracle.
SELECT id::pg_catalog.text, order_id, stripe_payment_intent_id, status, amount, currency, created_at
  FROM shop.payments
 ORDER BY id

-- name: demo_findings
-- The stored findings, for the oracle, read without the code that is checked.
SELECT subject, kind, state, severity, stake_amount, currency
  FROM reconciler.discrepancies
 ORDER BY kind, subject

-- name: demo_rechecks
-- The intents that wait, for the oracle.
SELECT payment_intent FROM reconciler.rechecks

-- name: demo_outbox
-- The corrections for the merchant's worker, for the oracle.
SELECT payment_key, to_status FROM reconciler.outbox ORDER BY id
