-- a lock that somebody waits for holds up all who come after: the merchant's worker has rows of ours in its hands
SELECT set_config('lock_timeout', '3s', false)
