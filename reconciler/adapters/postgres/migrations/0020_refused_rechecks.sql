-- depends: 0019_acceptance_requests
-- A due sweep compares the rows that the table refused to change, however many rechecks there are.

CREATE INDEX rechecks_refused ON reconciler.rechecks (account) WHERE starts_with(reason, 'refused by the table: ');
