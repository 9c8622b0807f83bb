SELECT rtrim({status}::text), count(*)
FROM {table} AS t
WHERE {payment_intent} IS NOT NULL AND {payment_intent}::text <> ''
    AND {status} = ANY(%(open)s::{status_type}[]) AND {of_account}
GROUP BY 1
