-- name: begin
-- A page is recorded at READ COMMITTED: each statement sees what was committed before it.
BEGIN ISOLATION LEVEL READ COMMITTED

-- name: begin_snapshot
-- A ledger is read as of one moment: an entry appended meanwhile must not look like a break.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: set_timeouts
-- For this transaction alone: the checkout must never wait for Reconciler.
SELECT set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true)

-- name: set_count_timeout
-- For this transaction alone: a count may read a whole table, but must end.
SELECT set_config('statement_timeout', '60s', true)

-- name: set_date_style
-- psycopg reads times with a zone in the ISO style alone.
SET DateStyle TO 'ISO'

-- name: lease_fence
-- The lock keeps a takeover waiting until this transaction has ended.
SELECT epoch
FROM reconciler.leases
WHERE account = %(account)s AND epoch = %(epoch)s AND expires_at > clock_timestamp()
FOR SHARE
