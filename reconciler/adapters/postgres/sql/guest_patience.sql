-- guests wait for one another, and idle between their reads
SELECT set_config('lock_timeout', '60s', true), set_config('statement_timeout', '70s', true),
    set_config('idle_in_transaction_session_timeout', '0', true)
