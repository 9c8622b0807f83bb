-- last_error is that of the latest attempt among those that wait
SELECT
    count(*), count(*) FILTER (WHERE given_up_at IS NOT NULL),
    extract(epoch FROM clock_timestamp() - min(created_at))::float8,
    (array_agg(last_error ORDER BY last_attempt_at DESC) FILTER (WHERE last_error IS NOT NULL))[1]
FROM reconciler.outbox
WHERE account = %(account)s AND delivered_at IS NULL
