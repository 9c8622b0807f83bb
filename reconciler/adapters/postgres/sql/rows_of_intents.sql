SELECT {row}
FROM {table} AS t
WHERE {payment_intent} = ANY(%(intents)s::{payment_intent_type}[]) AND {of_account}
ORDER BY {key}
