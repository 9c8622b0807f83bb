UPDATE reconciler.sweep_requests AS r
SET status = 'refused', epoch = NULL, sweep = NULL, answer = %(answer)s, changed_at = now()
WHERE account = %(account)s AND id = %(id)s
    AND (
        status = 'asked'
        OR status = 'taken' AND NOT EXISTS (
            SELECT FROM reconciler.leases AS l
            WHERE l.account = r.account AND l.epoch = r.epoch AND l.expires_at > clock_timestamp()
        )
    )
