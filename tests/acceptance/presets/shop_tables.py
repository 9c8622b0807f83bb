"""The tables of shops."""

from __future__ import annotations

from tests.acceptance.presets.application_table import ApplicationTable

ODOO = ApplicationTable(
    tables="""
        CREATE TABLE res_currency (id serial PRIMARY KEY, name varchar NOT NULL);
        INSERT INTO res_currency (name) VALUES ('USD'), ('EUR');
        CREATE TABLE payment_provider (id serial PRIMARY KEY, code varchar NOT NULL);
        INSERT INTO payment_provider (code) VALUES ('stripe'), ('paypal');
        CREATE TABLE payment_transaction (
            id serial PRIMARY KEY, provider_id integer NOT NULL, company_id integer, reference varchar NOT NULL UNIQUE,
            provider_reference varchar, amount numeric NOT NULL, currency_id integer NOT NULL, state varchar NOT NULL,
            state_message text, last_state_change timestamp, operation varchar, source_transaction_id integer,
            is_post_processed boolean, tokenize boolean, partner_id integer NOT NULL, create_date timestamp,
            write_date timestamp)
    """,
    payment="""
        INSERT INTO payment_transaction (id, provider_id, reference, provider_reference, amount, currency_id, state,
            state_message, last_state_change, operation, is_post_processed, partner_id, create_date, write_date)
        VALUES ({key}, 1, 'S0000' || {key}, {intent}, 12.50, 2, {status}, 'waits for the bank', {created}, 'online_direct',
            true, 7, {created}, {created})
    """,
    open_status="pending",
    lost={"succeed": "done", "authorize": "authorized", "fail": "error", "cancel": "cancel"},
    of_others="""
        INSERT INTO payment_transaction (id, provider_id, reference, provider_reference, amount, currency_id, state,
            operation, partner_id, create_date)
        VALUES (91, 2, 'S00091', '7XB12345', 12.50, 2, 'pending', 'online_redirect', 7, '2026-10-31 12:00:00'),
            (92, 1, 'R-S00092', 're_1', -12.50, 2, 'pending', 'refund', 7, '2026-10-31 12:00:00'),
            (93, 1, 'V-93', 'seti_1', 0, 2, 'draft', 'validation', 7, '2026-10-31 12:00:00')
    """,
    written={
        "is_post_processed": "NOT is_post_processed",
        "last_state_change": "last_state_change > now() AT TIME ZONE 'UTC' - interval '1 hour'",
        "state_message": "state_message IS NULL",
        "write_date": "write_date > '2026-10-31 12:00:00'",
    },
)

SALEOR = ApplicationTable(
    tables="""
        CREATE TABLE payment_payment (
            id serial PRIMARY KEY, gateway varchar(255) NOT NULL, is_active boolean NOT NULL, created_at timestamptz NOT NULL,
            modified_at timestamptz NOT NULL, charge_status varchar(20) NOT NULL, token varchar(512) NOT NULL,
            total numeric(12,3) NOT NULL, captured_amount numeric(12,3) NOT NULL, currency varchar(3) NOT NULL,
            checkout_id uuid, order_id uuid, psp_reference varchar(512));
        CREATE TABLE payment_transaction (
            id serial PRIMARY KEY, created_at timestamptz NOT NULL, payment_id integer NOT NULL, token varchar(512) NOT NULL,
            kind varchar(25) NOT NULL, is_success boolean NOT NULL, action_required boolean NOT NULL, currency varchar(3),
            amount numeric(12,3) NOT NULL)
    """,
    payment="""
        INSERT INTO payment_payment VALUES ({key}, 'saleor.payments.stripe', true, {created}, {created}, {status}, '', 12.500,
            0, 'EUR', NULL, NULL, NULL);
        INSERT INTO payment_transaction (created_at, payment_id, token, kind, is_success, action_required, currency, amount)
        VALUES ({created}, {key}, '', 'action_to_confirm', false, true, 'EUR', 12.500),
            ({created}, {key}, {intent}, 'action_to_confirm', true, true, 'EUR', 12.500)
    """,
    open_status="not-charged",
    lost={"succeed": "fully-charged", "authorize": "authorized"},
    of_others="""
        INSERT INTO payment_payment VALUES (91, 'mirumee.payments.adyen', true, '2026-10-31 12:00:00', now(), 'not-charged', '',
            12.500, 0, 'EUR', NULL, NULL, '8515131751004933')
    """,
)

SOLIDUS = ApplicationTable(
    tables="""
        CREATE TABLE spree_payment_methods (id serial PRIMARY KEY, type varchar, name varchar, active boolean, preferences text);
        INSERT INTO spree_payment_methods (type) VALUES ('SolidusStripe::PaymentMethod'), ('Spree::PaymentMethod::Check');
        CREATE TABLE spree_orders (id serial PRIMARY KEY, number varchar(32), currency varchar, state varchar, total numeric(10,2));
        CREATE TABLE solidus_stripe_payment_intents (
            id bigserial PRIMARY KEY, stripe_intent_id varchar, order_id integer NOT NULL, payment_method_id integer NOT NULL,
            created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
        CREATE TABLE spree_payments (
            id serial PRIMARY KEY, amount numeric(10,2) NOT NULL DEFAULT 0, order_id integer, source_type varchar,
            source_id integer, payment_method_id integer, state varchar, response_code varchar, avs_response varchar,
            created_at timestamp(6), updated_at timestamp(6), number varchar, cvv_response_code varchar)
    """,
    payment="""
        INSERT INTO spree_orders VALUES ({key}, 'R00000000' || {key}, 'EUR', 'confirm', 12.50);
        INSERT INTO spree_payments (id, amount, order_id, payment_method_id, state, response_code, created_at, updated_at)
        VALUES ({key}, 12.50, {key}, 1, {status}, {intent}, {created}, {created})
    """,
    open_status="checkout",
    lost={"succeed": "completed", "authorize": "pending", "fail": "failed", "cancel": "void"},
    agrees={"cancel": "invalid"},
    metadata={"solidus_order_number": "R00000000{key}"},
    of_others="""
        INSERT INTO spree_orders VALUES (91, 'R000000091', 'EUR', 'complete', 12.50);
        INSERT INTO spree_payments (id, amount, order_id, payment_method_id, state, created_at)
        VALUES (91, 12.50, 91, 2, 'checkout', '2026-10-31 12:00:00')
    """,
)

SPREE = ApplicationTable(
    tables="""
        CREATE TABLE spree_payment_sessions (
            id bigserial PRIMARY KEY, type varchar NOT NULL, order_id bigint NOT NULL, payment_method_id bigint NOT NULL,
            customer_id bigint, amount numeric(10,2) NOT NULL, currency varchar NOT NULL, status varchar NOT NULL,
            external_id varchar NOT NULL, external_data jsonb DEFAULT '{}', expires_at timestamp(6), deleted_at timestamp(6),
            created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
        CREATE TABLE spree_payments (
            id bigserial PRIMARY KEY, amount numeric(10,2) NOT NULL DEFAULT 0, order_id bigint, payment_method_id bigint,
            state varchar, response_code varchar, created_at timestamp(6), updated_at timestamp(6), number varchar)
    """,
    payment="""
        INSERT INTO spree_payment_sessions (id, type, order_id, payment_method_id, amount, currency, status, external_id,
            created_at, updated_at)
        VALUES ({key}, 'Spree::PaymentSessions::Stripe', {key}, 1, 12.50, 'EUR',
            CASE WHEN {status} LIKE 'payment %' THEN 'completed' ELSE {status} END, {intent}, {created}, {created});
        INSERT INTO spree_payments (amount, order_id, payment_method_id, state, response_code, created_at)
        SELECT 12.50, {key}, 1, substr({status}, 9), {intent}, {created} WHERE {status} LIKE 'payment %'
    """,
    open_status="pending",
    lost={"succeed": "payment completed", "authorize": "payment pending", "fail": "failed"},
    agrees={"cancel": "failed", "succeed": "completed"},
    metadata={"spree_order_id": "{key}"},
    of_others="""
        INSERT INTO spree_payment_sessions (id, type, order_id, payment_method_id, amount, currency, status, external_id,
            created_at, updated_at)
        VALUES (91, 'Spree::PaymentSessions::Adyen', 91, 2, 12.50, 'EUR', 'pending', 'CS12345', '2026-10-31 12:00:00', now())
    """,
)

MEDUSA = ApplicationTable(
    tables="""
        CREATE TABLE payment_session (
            id text PRIMARY KEY, currency_code text NOT NULL, amount numeric NOT NULL, raw_amount jsonb NOT NULL,
            provider_id text NOT NULL, data jsonb NOT NULL, context jsonb, status text NOT NULL DEFAULT 'pending'
                CHECK (status IN ('authorized', 'captured', 'pending', 'requires_more', 'error', 'canceled')),
            authorized_at timestamptz, payment_collection_id text NOT NULL, metadata jsonb,
            created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz);
        CREATE TABLE payment (
            id text PRIMARY KEY, amount numeric NOT NULL, currency_code text NOT NULL, provider_id text NOT NULL, data jsonb,
            captured_at timestamptz, canceled_at timestamptz, deleted_at timestamptz, payment_collection_id text NOT NULL,
            payment_session_id text NOT NULL UNIQUE)
    """,
    payment="""
        INSERT INTO payment_session (id, currency_code, amount, raw_amount, provider_id, data, status, payment_collection_id,
            created_at)
        VALUES ('payses_' || {key}, 'eur', 12.50, '{{}}', 'pp_stripe_stripe', jsonb_build_object('id', {intent}),
            CASE WHEN {status} IN ('authorized', 'captured') THEN 'authorized' ELSE {status} END, 'pay_col_1',
            {created}::timestamptz);
        INSERT INTO payment (id, amount, currency_code, provider_id, captured_at, payment_collection_id, payment_session_id)
        SELECT 'pay_' || {key}, 12.50, 'eur', 'pp_stripe_stripe', CASE {status} WHEN 'captured' THEN now() END, 'pay_col_1',
            'payses_' || {key} WHERE {status} IN ('authorized', 'captured')
    """,
    open_status="pending",
    lost={"succeed": "captured", "authorize": "authorized"},
    agrees={"fail": "pending", "cancel": "pending"},
    metadata={"session_id": "payses_{key}"},
    of_others="""
        INSERT INTO payment_session (id, currency_code, amount, raw_amount, provider_id, data, payment_collection_id)
        VALUES ('payses_91', 'eur', 12.50, '{}', 'pp_system_default', '{}', 'pay_col_1')
    """,
)

VENDURE = ApplicationTable(
    tables="""
        CREATE TABLE "order" (
            "id" serial PRIMARY KEY, "createdAt" timestamp(6) NOT NULL, "code" varchar NOT NULL, "state" varchar NOT NULL,
            "currencyCode" varchar NOT NULL);
        CREATE TABLE payment (
            "createdAt" timestamp(6) NOT NULL, "updatedAt" timestamp(6) NOT NULL, "method" varchar NOT NULL, "state" varchar NOT NULL,
            "errorMessage" varchar, "transactionId" varchar, "metadata" text NOT NULL, "id" serial PRIMARY KEY, "amount" integer NOT NULL,
            "orderId" integer)
    """,
    payment="""
        INSERT INTO "order" VALUES ({key}, {created}, 'T0000' || {key}, 'PaymentSettled', 'EUR');
        INSERT INTO payment VALUES ({created}, {created}, 'stripe', {status}, NULL, {intent}, '{{}}', {key}, 1250, {key})
    """,
    open_status=None,
    lost={"succeed": "Settled"},
    metadata={"channelToken": "channel", "orderId": "{key}", "orderCode": "T0000{key}"},
    of_others="""
        INSERT INTO "order" VALUES (91, '2026-10-31 12:00:00', 'T000091', 'PaymentSettled', 'EUR');
        INSERT INTO payment VALUES ('2026-10-31 12:00:00', now(), 'mollie', 'Authorized', NULL, 'tr_WDqYK6vllg', '{}', 91, 1250, 91)
    """,
)
