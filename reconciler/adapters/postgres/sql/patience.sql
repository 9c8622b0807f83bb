-- for this transaction alone: the checkout must never wait for us
SELECT set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true)
