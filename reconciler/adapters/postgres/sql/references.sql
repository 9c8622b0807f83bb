-- a page ends with all rows of its last key; after a row without a key there would be no next page
SELECT {key}::text, {payment_intent}::text
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {key} IS NOT NULL AND {of_status} AND {within} AND {of_account} AND {after}
ORDER BY {key}
FETCH FIRST %(limit)s ROWS WITH TIES
