-- who has the lease now, and the service that took the account last
SELECT
    l.holder, extract(epoch FROM l.expires_at - clock_timestamp())::float8,
    s.holder IS NOT NULL AND s.holder = l.holder AND s.epoch = l.epoch,
    s.mode, s.since, s.error, s.error_at, coalesce(s.needs_person, false)
FROM (SELECT %(account)s::text AS account) AS a
LEFT JOIN reconciler.leases AS l ON l.account = a.account AND l.expires_at > clock_timestamp()
LEFT JOIN reconciler.services AS s ON s.account = a.account
