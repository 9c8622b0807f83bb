-- who holds each account now, and who is alive and able to
SELECT a.account, l.holder, array(
    SELECT r.replica FROM reconciler.replicas AS r
    WHERE r.account = a.account AND r.expires_at > clock_timestamp()
)
FROM unnest(%(accounts)s::text[]) AS a (account)
LEFT JOIN reconciler.leases AS l ON l.account = a.account AND l.expires_at > clock_timestamp()
