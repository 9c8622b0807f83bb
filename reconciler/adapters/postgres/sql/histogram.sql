-- all rows of a range counted by time, and beside them those that are due: so that the checks are joined with these alone
SELECT b.start, sum(b.rows)::bigint, sum(b.due)::bigint
FROM (
    SELECT date_bin(%(width)s::interval, {created}, 'epoch'::timestamptz) AS start, count(*) AS rows, 0 AS due
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {within} AND {of_account}
    GROUP BY 1
    UNION ALL
    SELECT date_bin(%(width)s::interval, {created}, 'epoch'::timestamptz), 0, count(*)
    FROM {table} AS t
    WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
        AND {key} IS NOT NULL AND {created} IS NOT NULL AND {of_status} AND {within} AND {of_account}
    GROUP BY 1
) AS b
GROUP BY b.start
ORDER BY b.start
