SELECT {key}::text, {payment_intent}::text
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {of_status} AND {within} AND {of_account} AND {after}
ORDER BY {key}
LIMIT %(limit)s
