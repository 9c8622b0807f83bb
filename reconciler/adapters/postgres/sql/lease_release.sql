UPDATE reconciler.leases
SET holder = NULL, expires_at = NULL, ended_at = clock_timestamp(), last_second = %(last_second)s
WHERE account = %(account)s AND holder = %(holder)s AND epoch = %(epoch)s
