UPDATE reconciler.sweep_requests
SET status = 'done', sweep = %(sweep)s, result = %(result)s::jsonb, examined = %(examined)s, changed_at = now()
WHERE account = %(account)s AND id = %(id)s AND status = 'taken' AND epoch = %(epoch)s
