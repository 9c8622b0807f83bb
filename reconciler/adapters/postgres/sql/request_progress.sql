UPDATE reconciler.sweep_requests
SET examined = %(examined)s, changed_at = now()
WHERE account = %(account)s AND id = %(id)s AND status = 'taken' AND epoch = %(epoch)s
