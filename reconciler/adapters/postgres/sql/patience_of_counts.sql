-- for this transaction alone: a count may read a whole table, but not for ever
SELECT set_config('statement_timeout', '60s', true)
