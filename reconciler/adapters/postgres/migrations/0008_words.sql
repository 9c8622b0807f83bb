-- depends: 0007_delivery
-- One word for one thing. Names and comments change; no row does.

ALTER TABLE reconciler.checks RENAME TO rechecks;
ALTER INDEX reconciler.checks_pkey RENAME TO rechecks_pkey;
ALTER INDEX reconciler.checks_due RENAME TO rechecks_due;
ALTER TABLE reconciler.reads RENAME COLUMN net TO source;
ALTER TABLE reconciler.services RENAME COLUMN pace TO rate_usage;
ALTER TABLE reconciler.services RENAME COLUMN pace_at TO rate_usage_at;
ALTER TABLE reconciler.services RENAME CONSTRAINT services_pace_has_time TO services_rate_usage_has_time;

COMMENT ON TABLE reconciler.cursors IS 'How far a source that runs again and again has come.';
COMMENT ON TABLE reconciler.rechecks IS 'When an intent is to be read again. Only a verdict deletes a recheck.';
COMMENT ON TABLE reconciler.events IS 'Stripe''s events that a sweep has met, for as long as Stripe keeps them.';
COMMENT ON TABLE reconciler.sweeps IS 'Sweeps. A sweep without an end is running, or its process died.';
COMMENT ON TABLE reconciler.sweep_requests IS 'Sweeps that a person has asked the service for.';
COMMENT ON TABLE reconciler.notes IS 'What people wrote about a discrepancy.';
COMMENT ON TABLE reconciler.ledger_heads IS 'The last entry of each chain, so that a cut tail shows.';
COMMENT ON TABLE reconciler.services IS
    'The service that took an account last. It is at work while the lease of this holder and epoch lasts.';
COMMENT ON TABLE reconciler.replicas IS
    'Services that are alive and eligible for an account. This only spreads the work: the lease alone is the right to it.';
COMMENT ON COLUMN reconciler.services.error IS 'What keeps the service from its work now; NULL if nothing does.';
COMMENT ON COLUMN reconciler.services.rate_usage IS
    'Requests a second, by endpoint and overall: the limit, what is left of it after refusals, and the busiest second.';
COMMENT ON COLUMN reconciler.reads.source IS
    'The source whose sweep read; person: a command such as explain, or a single intent.';
COMMENT ON COLUMN reconciler.outbox.given_up_at IS 'The row is not sent again until a person sets this to NULL.';
