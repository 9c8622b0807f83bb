-- what a payment is made of; filled into the statements that select from the merchant's table
coalesce({key}::text, '') AS key,
NULLIF({payment_intent}::text, '') AS payment_intent,
{status}::text AS status,
{amount}::text AS amount,
{currency}::text AS currency,
{created} AS created,
{order}::text AS order_reference
