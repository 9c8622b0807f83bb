SELECT {key}::text, {payment_intent}::text
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {created_column} IS NOT NULL AND {of_account}
ORDER BY {created_column} DESC
LIMIT %(limit)s
