-- rows counted by time, and those of them that are open; rows without a time come last, under null
SELECT b.start, count(*), count(*) FILTER (WHERE b.is_open)
FROM (
    SELECT
        CASE WHEN isfinite({created}) THEN date_bin(%(width)s::interval, {created}, 'epoch'::timestamptz) END AS start,
        {of_status} AS is_open
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> '' AND {within} AND {of_account}
) AS b
GROUP BY b.start
ORDER BY b.start NULLS LAST
