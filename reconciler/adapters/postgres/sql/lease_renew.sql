UPDATE reconciler.leases
SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE account = %(account)s AND holder = %(holder)s AND epoch = %(epoch)s AND expires_at > clock_timestamp()
