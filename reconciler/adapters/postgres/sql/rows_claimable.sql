-- a hundred an order: an order that a thousand rows share is no order
SELECT claimable.*
FROM unnest(%(orders)s::{order_type}[]) AS named (value)
CROSS JOIN LATERAL (
    SELECT {row}
    FROM {table} AS t
    WHERE {order} = named.value AND ({payment_intent} IS NULL OR {payment_intent}::text = '') AND {of_account}
    ORDER BY {key}
    LIMIT 100
) AS claimable
