-- the paid rows of the orders that these intents' rows have, and of those named
SELECT paid.*
FROM (
    SELECT {order} AS value
    FROM {table} AS t
    WHERE {payment_intent} = ANY(%(intents)s::{payment_intent_type}[])
        AND {of_account} AND {order} IS NOT NULL AND {order}::text <> ''
    UNION
    SELECT unnest(%(orders)s::{order_type}[])
) AS page
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} = page.value AND {status} = ANY(%(paid)s::{status_type}[]) AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS paid
