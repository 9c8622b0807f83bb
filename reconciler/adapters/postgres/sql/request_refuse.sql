UPDATE reconciler.sweep_requests
SET status = 'refused', epoch = NULL, sweep = NULL, answer = %(answer)s, changed_at = now()
WHERE account = %(account)s AND id = %(id)s AND status = 'taken' AND epoch = %(epoch)s
