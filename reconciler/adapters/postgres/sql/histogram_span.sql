-- from when to when rows are due, and how many of them have no time
SELECT min({created}), max({created}), count(*) FILTER (WHERE {created} IS NULL)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}
