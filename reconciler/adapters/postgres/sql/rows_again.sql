-- in order of key, so that two who lock the same rows do not wait for one another in a circle
SELECT {row}
FROM {table} AS t
WHERE ({payment_intent} = ANY(%(intents)s::{payment_intent_type}[]) OR {key} = ANY(%(keys)s::{key_type}[]))
    AND {of_account}
ORDER BY {key}
{locking}
