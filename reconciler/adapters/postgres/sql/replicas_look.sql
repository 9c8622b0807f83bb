-- who holds each account now, and who is alive and able to: those too that are not ours, for they are somebody's load
SELECT a.account, l.holder, array(
    SELECT r.replica FROM reconciler.replicas AS r
    WHERE r.account = a.account AND r.expires_at > clock_timestamp()
)
FROM (
    SELECT account FROM reconciler.leases
    UNION SELECT account FROM reconciler.replicas
    UNION SELECT unnest(%(accounts)s::text[])
) AS a
LEFT JOIN reconciler.leases AS l ON l.account = a.account AND l.expires_at > clock_timestamp()
