-- What a small shop has, and nothing that was made for us. The webhook handler keeps updated_at at the event's time.
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
