-- passes of which nothing is left: they corrected no row, were asked for by nobody, no discrepancy was last met by them,
-- and a later one of their kind was complete
DELETE FROM reconciler.sweeps
WHERE account = %(account)s AND id IN (
    SELECT s.id
    FROM reconciler.sweeps AS s
    WHERE s.account = %(account)s AND s.started_at < now() - make_interval(days => %(days)s)
        AND NOT EXISTS (
            SELECT FROM reconciler.ledger AS l
            WHERE l.account = s.account AND l.action IN ('correction', 'revert') AND l.body -> 'sweep' = to_jsonb(s.id)
        )
        AND NOT EXISTS (SELECT FROM reconciler.discrepancies AS d WHERE d.account = s.account AND d.sweep = s.id)
        AND NOT EXISTS (SELECT FROM reconciler.sweep_requests AS r WHERE r.account = s.account AND r.sweep = s.id)
        AND EXISTS (
            SELECT FROM reconciler.sweeps AS later
            WHERE later.account = s.account AND later.kind = s.kind AND later.id > s.id AND later.complete
        )
    ORDER BY s.started_at
    LIMIT %(limit)s
)
