UPDATE reconciler.services
SET pace = %(pace)s::jsonb, pace_at = now()
WHERE account = %(account)s AND epoch = %(epoch)s
