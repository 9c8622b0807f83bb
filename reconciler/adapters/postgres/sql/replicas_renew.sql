INSERT INTO reconciler.replicas (account, replica, expires_at)
SELECT a.account, %(replica)s, clock_timestamp() + make_interval(secs => %(seconds)s)
FROM unnest(%(accounts)s::text[]) AS a (account)
ORDER BY 1
ON CONFLICT (account, replica) DO UPDATE SET expires_at = excluded.expires_at
