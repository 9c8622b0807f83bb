UPDATE reconciler.sweep_requests
SET status = 'taken', epoch = %(epoch)s, changed_at = now()
WHERE account = %(account)s AND id = (
    SELECT id
    FROM reconciler.sweep_requests
    WHERE account = %(account)s AND status = 'asked'
    ORDER BY id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, asked_by, options
