-- Everything of ours, in a schema of its own. Every key starts with the account: that is what partitioning wants.
-- Ids are text, amounts whole minor units, times with a zone.

CREATE TABLE reconciler.leases (
    account text PRIMARY KEY CHECK (account <> ''),
    epoch bigint NOT NULL CHECK (epoch > 0),
    holder text CHECK (holder <> ''),
    expires_at timestamptz,
    CONSTRAINT leases_held_until CHECK ((holder IS NULL) = (expires_at IS NULL))
);
COMMENT ON TABLE reconciler.leases IS
    'The right of one process to work on one account. The epoch grows with each takeover and fences every write.';

CREATE TABLE reconciler.cursors (
    account text NOT NULL CHECK (account <> ''),
    name text NOT NULL CHECK (name <> ''),
    handled_until timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, name)
);
COMMENT ON TABLE reconciler.cursors IS 'How far a net that is cast again and again has come.';

CREATE TABLE reconciler.checks (
    account text NOT NULL CHECK (account <> ''),
    payment_intent text NOT NULL CHECK (payment_intent <> ''),
    due_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (account, payment_intent)
);
CREATE INDEX checks_due ON reconciler.checks (account, due_at);
COMMENT ON TABLE reconciler.checks IS 'Intents to look at again. A check goes only with a verdict.';

CREATE TABLE reconciler.events (
    account text NOT NULL CHECK (account <> ''),
    id text NOT NULL CHECK (id <> ''),
    type text NOT NULL,
    created timestamptz NOT NULL,
    payment_intent text CHECK (payment_intent <> ''),
    delivered boolean NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id)
);
CREATE INDEX events_of_intent ON reconciler.events (account, payment_intent);
COMMENT ON TABLE reconciler.events IS 'Stripe''s events that a pass has met, for as long as Stripe keeps them.';

CREATE TABLE reconciler.sweeps (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    mode text NOT NULL,
    applied boolean NOT NULL,
    asked_by text NOT NULL CHECK (asked_by <> ''),
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    complete boolean,
    report jsonb,
    PRIMARY KEY (account, id),
    CONSTRAINT sweeps_finished_at_once CHECK (num_nulls(finished_at, complete, report) IN (0, 3)),
    CONSTRAINT sweeps_in_order CHECK (finished_at >= started_at)
);
COMMENT ON TABLE reconciler.sweeps IS 'Passes. One without an end is running, or died.';

CREATE TABLE reconciler.sweep_requests (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    asked_by text NOT NULL CHECK (asked_by <> ''),
    asked_at timestamptz NOT NULL DEFAULT now(),
    options jsonb NOT NULL,
    status text NOT NULL DEFAULT 'asked' CHECK (status IN ('asked', 'taken', 'done', 'refused')),
    sweep bigint,
    answer text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id),
    FOREIGN KEY (account, sweep) REFERENCES reconciler.sweeps (account, id),
    CONSTRAINT sweep_requests_taken_has_sweep CHECK ((sweep IS NOT NULL) = (status IN ('taken', 'done'))),
    CONSTRAINT sweep_requests_refused_says_why CHECK (status <> 'refused' OR answer IS NOT NULL)
);
COMMENT ON TABLE reconciler.sweep_requests IS 'Passes that a person has asked the service for.';

CREATE TABLE reconciler.discrepancies (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL CHECK (subject <> ''),
    kind text NOT NULL CHECK (kind <> ''),
    payment_intent text CHECK (payment_intent <> ''),
    keys text[] NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state text NOT NULL CHECK (state IN ('open', 'corrected', 'closed', 'resolved', 'ignored')),
    reason text CHECK (reason <> ''),
    cause text CHECK (cause <> ''),
    closing text CHECK (closing IN ('agreement', 'superseded', 'condition_gone')),
    note text CHECK (note <> ''),
    resolved_by text CHECK (resolved_by <> ''),
    stake_amount bigint NOT NULL CHECK (stake_amount >= 0),
    currency text NOT NULL CHECK (currency <> '' AND currency = lower(currency)),
    local jsonb NOT NULL CHECK (jsonb_typeof(local) = 'object'),
    stripe jsonb NOT NULL CHECK (jsonb_typeof(stripe) = 'object'),
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    sweep bigint,
    PRIMARY KEY (account, id),
    UNIQUE (account, subject, kind),
    CONSTRAINT discrepancies_closed_says_why CHECK ((state = 'closed') = (closing IS NOT NULL)),
    CONSTRAINT discrepancies_person_has_name CHECK ((state IN ('resolved', 'ignored')) = (resolved_by IS NOT NULL)),
    CONSTRAINT discrepancies_person_says_why CHECK (state NOT IN ('resolved', 'ignored') OR note IS NOT NULL),
    CONSTRAINT discrepancies_seen_in_order CHECK (first_seen <= last_seen)
);
CREATE INDEX discrepancies_of_state ON reconciler.discrepancies (account, state, last_seen);
CREATE INDEX discrepancies_of_intent ON reconciler.discrepancies (account, payment_intent);
COMMENT ON COLUMN reconciler.discrepancies.subject IS 'The PaymentIntent, or row:<key> where there is none.';
COMMENT ON COLUMN reconciler.discrepancies.stake_amount IS 'Money at stake, unsigned, in minor units of currency.';
COMMENT ON COLUMN reconciler.discrepancies.first_seen IS 'Times of seeing are Stripe''s, not this database''s.';

CREATE TABLE reconciler.notes (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    discrepancy bigint NOT NULL,
    author text NOT NULL DEFAULT current_user CHECK (author <> ''),
    note text NOT NULL CHECK (note <> ''),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, id),
    FOREIGN KEY (account, discrepancy) REFERENCES reconciler.discrepancies (account, id)
);
CREATE INDEX notes_of_discrepancy ON reconciler.notes (account, discrepancy);
COMMENT ON TABLE reconciler.notes IS 'What people had to say about a discrepancy.';

CREATE TABLE reconciler.outbox (
    account text NOT NULL CHECK (account <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    payment_key text NOT NULL,
    payment_intent text CHECK (payment_intent <> ''),
    kind text NOT NULL CHECK (kind IN ('correction', 'revert')),
    from_status text,
    to_status text,
    outcome text NOT NULL,
    ledger_seq bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error text,
    PRIMARY KEY (account, id),
    UNIQUE (account, ledger_seq),
    CONSTRAINT outbox_correction_has_intent CHECK (kind = 'revert' OR payment_intent IS NOT NULL),
    CONSTRAINT outbox_correction_has_status CHECK (kind = 'revert' OR to_status IS NOT NULL),
    CONSTRAINT outbox_delivered_in_order CHECK (delivered_at >= created_at)
);
CREATE INDEX outbox_waiting ON reconciler.outbox (account, id) WHERE delivered_at IS NULL;
COMMENT ON TABLE reconciler.outbox IS
    'Corrections that the merchant''s own code has to act upon: a changed status alone ships nothing.';

CREATE TABLE reconciler.reads (
    account text NOT NULL CHECK (account <> ''),
    hour timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    count bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (account, hour)
);
COMMENT ON TABLE reconciler.reads IS 'GETs sent to Stripe, by the hour: Stripe counts them over 30 days.';
