UPDATE reconciler.sweep_requests
SET status = 'refused', answer = %(answer)s, changed_at = now()
WHERE account = %(account)s AND id = %(id)s AND status = 'asked'
