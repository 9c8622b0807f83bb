-- the head is ours until the end of the transaction, so the entries just appended are the last before it
INSERT INTO reconciler.outbox (
    account, payment_key, payment_intent, kind, from_status, to_status, outcome, ledger_seq
)
SELECT
    heads.account, o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome,
    heads.seq - %(entries)s + o.position
FROM reconciler.ledger_heads AS heads
CROSS JOIN unnest(
    %(keys)s::text[], %(intents)s::text[], %(kinds)s::text[], %(from_statuses)s::text[],
    %(to_statuses)s::text[], %(outcomes)s::text[]
) WITH ORDINALITY AS o (payment_key, payment_intent, kind, from_status, to_status, outcome, position)
WHERE heads.account = %(account)s
ORDER BY o.position
