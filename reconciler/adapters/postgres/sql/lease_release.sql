UPDATE reconciler.leases
SET holder = NULL, expires_at = NULL
WHERE account = %(account)s AND holder = %(holder)s AND epoch = %(epoch)s
