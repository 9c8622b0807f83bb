-- one migration at a time; the lock goes with the connection. The number is "reconciler" on a phone's keys.
SELECT pg_advisory_lock(7326624537)
