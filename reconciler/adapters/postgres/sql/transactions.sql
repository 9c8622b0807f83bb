-- name: begin
-- A page is recorded at READ COMMITTED: each statement sees what was committed before it.
BEGIN ISOLATION LEVEL READ COMMITTED

-- name: begin_snapshot
-- A ledger is read as of one moment: an entry appended meanwhile must not look like a break.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: only_indexes
-- The plan that follows shows an index if any can serve it: a small table would be read whole all the same.
SET LOCAL enable_seqscan = off

-- name: set_timeouts
-- For this transaction alone: the checkout must never wait for Reconciler.
SELECT pg_catalog.set_config('lock_timeout', '1s', true), pg_catalog.set_config('statement_timeout', '10s', true)

-- name: set_probe_timeout
-- For this transaction alone: a write that is only tried must not keep the checkout waiting.
SELECT pg_catalog.set_config('lock_timeout', '100ms', true)

-- name: set_count_timeout
-- For this transaction alone: a count may read a whole table, but must end.
SELECT pg_catalog.set_config('statement_timeout', '60s', true)

-- name: set_date_style
-- psycopg reads times with a zone in the ISO style alone.
SET DateStyle TO 'ISO'

-- name: lease_fence
-- The lock keeps a takeover waiting until this transaction has ended.
SELECT epoch
FROM reconciler.leases
WHERE account OPERATOR(pg_catalog.=) %(account)s AND epoch OPERATOR(pg_catalog.=) %(epoch)s AND expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
FOR SHARE

-- name: keep_rows_point
-- What the merchant's table refuses is rolled back to here, and the locks on the rows are kept.
SAVEPOINT before_rows

-- name: back_to_rows_point
-- The rows are as they were before any write of the page.
ROLLBACK TO SAVEPOINT before_rows

-- name: keep_one_row_point
-- A row that the table refuses does not take the rows before it along.
SAVEPOINT before_one_row

-- name: back_to_one_row_point
-- The rows written before this one are kept.
ROLLBACK TO SAVEPOINT before_one_row

-- name: end_one_row_point
-- Savepoints that are not needed any more would add up.
RELEASE SAVEPOINT before_one_row

-- name: constraints_now
-- A deferred constraint or trigger of the merchant's answers now, and not at COMMIT when the page could only fail.
SET CONSTRAINTS ALL IMMEDIATE

-- name: fetch_part
-- The next rows of a cursor on the server.
FETCH FORWARD {count} FROM {cursor}
