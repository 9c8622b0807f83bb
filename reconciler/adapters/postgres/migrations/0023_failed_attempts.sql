-- depends: 0022_configuration_record
-- Why each attempt of a customer failed, for the page of a payment: Stripe shows only the last one at the PaymentIntent.

ALTER TABLE reconciler.events ADD COLUMN failure_code text CHECK (failure_code <> '');
COMMENT ON COLUMN reconciler.events.failure_code IS
    'Of payment_intent.payment_failed: the decline code of the attempt, else the code of its error.';
