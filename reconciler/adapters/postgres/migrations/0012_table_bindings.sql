-- depends: 0011_word_of_a_person
-- Which table each account belongs to. A second table under the same account would share its findings, its ledger and
-- its lease, and one table's sweep would close what the other's found.

CREATE TABLE reconciler.table_bindings (
    account text PRIMARY KEY CHECK (account <> ''),
    table_name text NOT NULL CHECK (table_name <> ''),
    key_column text NOT NULL CHECK (key_column <> ''),
    payment_intent text NOT NULL CHECK (payment_intent <> ''),
    account_column text,
    account_value text,
    bound_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT table_bindings_account_is_whole CHECK ((account_column IS NULL) = (account_value IS NULL))
);
COMMENT ON TABLE reconciler.table_bindings IS
    'The table that each account belongs to. Only reconciler migrate --rebind changes it.';
COMMENT ON COLUMN reconciler.table_bindings.payment_intent IS 'The column that holds the PaymentIntent.';
COMMENT ON COLUMN reconciler.table_bindings.account_value IS 'What the account column holds for the account''s rows.';
