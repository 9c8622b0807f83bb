SELECT count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account}
