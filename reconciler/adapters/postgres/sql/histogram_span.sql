-- from when to when there are rows to ask about, and how many rows there are between
SELECT min({created}), max({created}), count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND isfinite({created}) AND {within} AND {of_account}
