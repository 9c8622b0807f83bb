-- depends: 0009_notes_in_ledger
-- Which PaymentIntent a Checkout Session or a charge belongs to: the merchant's column holds their ids, and each is read
-- from Stripe once. It is not stored beside the row: the pair counts only while the column holds the id.

CREATE TABLE reconciler.stored_ids (
    account text NOT NULL,
    stored_id text NOT NULL,
    payment_intent text,
    checked_at timestamptz NOT NULL DEFAULT now(),
    recheck_at timestamptz,
    PRIMARY KEY (account, stored_id),
    CONSTRAINT stored_ids_are_looked_up CHECK (stored_id ~ '^(cs|ch|py)_[A-Za-z0-9_]+$' AND strpos(stored_id, '_secret_') = 0)
);
COMMENT ON TABLE reconciler.stored_ids IS 'The PaymentIntent of each Checkout Session and charge that a row holds.';
COMMENT ON COLUMN reconciler.stored_ids.payment_intent IS 'NULL: there is none, as far as Stripe says.';
COMMENT ON COLUMN reconciler.stored_ids.recheck_at IS 'When Stripe is asked again; NULL: never.';

CREATE INDEX stored_ids_of_intent ON reconciler.stored_ids (account, payment_intent) WHERE payment_intent IS NOT NULL;
