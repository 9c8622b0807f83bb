-- only where the row is still the one compared; whatever a trigger makes of the status comes back
UPDATE {table} AS t
SET {assignments}
FROM unnest(
    %(keys)s::{key_type}[], %(payment_intents)s::text[], %(statuses)s::text[], %(amounts)s::text[],
    %(currencies)s::text[], %(to_statuses)s::{status_type}[], %(to_intents)s::{payment_intent_type}[]
) AS w (key, payment_intent, status, amount, currency, to_status, to_intent)
WHERE {key} = w.key AND {of_account}
    AND NULLIF({payment_intent}::text, '') IS NOT DISTINCT FROM w.payment_intent
    AND {status}::text IS NOT DISTINCT FROM w.status
    AND {amount}::text IS NOT DISTINCT FROM w.amount
    AND {currency}::text IS NOT DISTINCT FROM w.currency
RETURNING {key}::text, {status}::text, NULLIF({payment_intent}::text, '')
