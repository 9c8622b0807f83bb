-- depends: 0014_ledger_function 0014_out_of_scope
-- The history of one payment is read from the ledger, without a scan of all its entries.

CREATE INDEX ledger_of_payment ON reconciler.ledger (account, (coalesce(body ->> 'subject', body ->> 'payment_intent')))
    WHERE coalesce(body ->> 'subject', body ->> 'payment_intent') IS NOT NULL;
