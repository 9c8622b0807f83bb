-- depends: 0003_service
-- For what the service tidies away every day.

CREATE INDEX events_created ON reconciler.events (account, created);
CREATE INDEX sweeps_started ON reconciler.sweeps (account, started_at);

-- a pass that is removed is looked for among the requests
CREATE INDEX sweep_requests_of_sweep ON reconciler.sweep_requests (account, sweep) WHERE sweep IS NOT NULL;
