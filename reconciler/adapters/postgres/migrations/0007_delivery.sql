-- depends: 0006_replicas
-- How the delivery of a correction to the merchant's endpoint stands.

ALTER TABLE reconciler.outbox
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN tried_since timestamptz,
    ADD COLUMN last_attempt_at timestamptz,
    ADD COLUMN next_attempt_at timestamptz,
    ADD COLUMN given_up_at timestamptz,
    ADD CONSTRAINT outbox_given_up_was_tried CHECK (given_up_at IS NULL OR (attempts > 0 AND last_error IS NOT NULL));
COMMENT ON COLUMN reconciler.outbox.claimed_until IS
    'Until then it is being sent to the endpoint: a worker beside it leaves the row alone.';
COMMENT ON COLUMN reconciler.outbox.tried_since IS 'The first attempt; delivery is given up a configured time after it.';
COMMENT ON COLUMN reconciler.outbox.next_attempt_at IS 'When it is sent again after a failure; NULL: at once.';
COMMENT ON COLUMN reconciler.outbox.given_up_at IS 'It is not sent again until a person sets this to NULL.';

-- an earlier row of the same payment goes first
CREATE INDEX outbox_waiting_of_payment ON reconciler.outbox (account, payment_key, id) WHERE delivered_at IS NULL;
