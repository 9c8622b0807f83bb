WITH asked AS (
    INSERT INTO reconciler.sweep_requests (account, asked_by, options)
    VALUES (%(account)s, %(asked_by)s, %(options)s::jsonb)
    RETURNING account, id
)
SELECT id, pg_notify('reconciler_sweep_requests', account) FROM asked
