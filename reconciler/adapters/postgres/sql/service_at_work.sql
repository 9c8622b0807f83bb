SELECT s.holder, s.epoch, s.mode
FROM reconciler.services AS s
JOIN reconciler.leases AS l ON l.account = s.account AND l.epoch = s.epoch AND l.holder = s.holder
WHERE s.account = %(account)s AND l.expires_at > clock_timestamp()
