-- depends: 0005_reads_by_net
-- Services that are alive, so that they can share the accounts; what the last holder of a lease had just spent, so that
-- the next one does not spend it again; and the pace of the service at work.

CREATE TABLE reconciler.replicas (
    account text NOT NULL CHECK (account <> ''),
    replica text NOT NULL CHECK (replica <> ''),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account, replica)
);
COMMENT ON TABLE reconciler.replicas IS
    'Services that are alive and able to work on an account. It only spreads the work: the lease alone is the right to it.';

ALTER TABLE reconciler.leases
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN last_second bigint NOT NULL DEFAULT 0 CHECK (last_second >= 0);
COMMENT ON COLUMN reconciler.leases.last_second IS
    'Reads that its last holder sent in the second before it gave the lease back, at ended_at.';

ALTER TABLE reconciler.services
    ADD COLUMN pace jsonb CHECK (jsonb_typeof(pace) = 'object'),
    ADD COLUMN pace_at timestamptz,
    ADD CONSTRAINT services_pace_has_time CHECK ((pace IS NULL) = (pace_at IS NULL));
COMMENT ON COLUMN reconciler.services.pace IS
    'Requests a second, by endpoint and overall: what it allows itself, what is left of that, and the busiest second lately.';
