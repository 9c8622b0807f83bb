-- depends: 0002_ledger
-- Who serves an account day and night, and how a person's request goes to it and comes back.

CREATE TABLE reconciler.services (
    account text PRIMARY KEY CHECK (account <> ''),
    holder text NOT NULL CHECK (holder <> ''),
    epoch bigint NOT NULL CHECK (epoch > 0),
    mode text NOT NULL CHECK (mode <> ''),
    since timestamptz NOT NULL DEFAULT now(),
    error text CHECK (error <> ''),
    error_at timestamptz,
    needs_person boolean NOT NULL DEFAULT false,
    CONSTRAINT services_error_has_time CHECK ((error IS NULL) = (error_at IS NULL)),
    CONSTRAINT services_person_has_error CHECK (error IS NOT NULL OR NOT needs_person)
);
COMMENT ON TABLE reconciler.services IS
    'The service that took an account last. It is at work where the lease of this holder and epoch has not ended.';
COMMENT ON COLUMN reconciler.services.error IS 'What keeps it from its work now, NULL where nothing does.';

-- a dry run has no pass of its own, and a request that nobody finished is taken up by the next holder of the lease
ALTER TABLE reconciler.sweep_requests
    DROP CONSTRAINT sweep_requests_taken_has_sweep,
    ADD COLUMN epoch bigint CHECK (epoch > 0),
    ADD COLUMN examined bigint NOT NULL DEFAULT 0 CHECK (examined >= 0),
    ADD COLUMN result jsonb,
    ADD CONSTRAINT sweep_requests_taken_has_epoch CHECK ((epoch IS NOT NULL) = (status IN ('taken', 'done'))),
    ADD CONSTRAINT sweep_requests_only_taken_has_sweep CHECK (sweep IS NULL OR status IN ('taken', 'done')),
    ADD CONSTRAINT sweep_requests_done_has_result CHECK ((result IS NOT NULL) = (status = 'done'));
CREATE INDEX sweep_requests_waiting ON reconciler.sweep_requests (account, id) WHERE status IN ('asked', 'taken');

-- for the age of the last complete pass of each kind
CREATE INDEX sweeps_of_kind ON reconciler.sweeps (account, kind, id);
