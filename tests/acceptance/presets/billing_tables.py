"""The tables of applications that bill, book or sell tickets."""

from __future__ import annotations

from tests.acceptance.presets.application_table import ApplicationTable

LAGO = ApplicationTable(
    tables="""
        CREATE TYPE payment_type AS ENUM ('provider', 'manual');
        CREATE TYPE payment_payable_payment_status AS ENUM ('pending', 'processing', 'succeeded', 'failed');
        CREATE TABLE payment_providers (
            id uuid PRIMARY KEY, organization_id uuid NOT NULL, type varchar NOT NULL, secrets varchar,
            settings jsonb NOT NULL DEFAULT '{}', code varchar NOT NULL, name varchar NOT NULL, deleted_at timestamp(6));
        INSERT INTO payment_providers (id, organization_id, type, code, name) VALUES
            ('00000000-0000-0000-0000-0000000000a1', gen_random_uuid(), 'PaymentProviders::StripeProvider', 'stripe', 'S'),
            ('00000000-0000-0000-0000-0000000000a2', gen_random_uuid(), 'PaymentProviders::AdyenProvider', 'adyen', 'A');
        CREATE TABLE payments (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(), invoice_id uuid, payment_provider_id uuid, amount_cents bigint NOT NULL,
            amount_currency varchar NOT NULL, provider_payment_id varchar, status varchar NOT NULL,
            created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL, payable_type varchar NOT NULL DEFAULT 'Invoice',
            payable_id uuid, payable_payment_status payment_payable_payment_status,
            payment_type payment_type NOT NULL DEFAULT 'provider', reference varchar, error_code varchar,
            organization_id uuid NOT NULL, customer_id uuid NOT NULL, payment_provider_customer_id uuid,
            provider_payment_data jsonb DEFAULT '{}', provider_payment_method_data jsonb NOT NULL DEFAULT '{}',
            provider_payment_method_id varchar, payment_method_id uuid)
    """,
    payment="""
        INSERT INTO payments (id, payment_provider_id, amount_cents, amount_currency, provider_payment_id, status, created_at,
            updated_at, payable_id, payable_payment_status, organization_id, customer_id)
        VALUES (md5({key}::text)::uuid, '00000000-0000-0000-0000-0000000000a1', 1250, 'EUR', {intent}, {status}, {created},
            {created}, md5('invoice ' || {key})::uuid, 'processing', gen_random_uuid(), gen_random_uuid())
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "fail": "failed"},
    agrees={"cancel": "failed"},
    metadata={"lago_customer_id": "customer {key}"},
    of_others="""
        INSERT INTO payments (payment_provider_id, amount_cents, amount_currency, provider_payment_id, status, created_at,
            updated_at, payable_id, payment_type, organization_id, customer_id)
        VALUES ('00000000-0000-0000-0000-0000000000a2', 1250, 'EUR', '8515131751004933', 'Authorised',
                '2026-10-31 12:00:00', now(), gen_random_uuid(), 'provider', gen_random_uuid(), gen_random_uuid()),
            (NULL, 1250, 'EUR', NULL, 'succeeded', '2026-10-31 12:00:00', now(), gen_random_uuid(), 'manual', gen_random_uuid(),
                gen_random_uuid())
    """,
)

PRETIX = ApplicationTable(
    tables="""
        CREATE TABLE pretixbase_event (id bigserial PRIMARY KEY, currency varchar(10) NOT NULL, slug varchar(50) NOT NULL);
        INSERT INTO pretixbase_event (currency, slug) VALUES ('USD', 'spring'), ('EUR', 'fall');
        CREATE TABLE pretixbase_order (
            id bigserial PRIMARY KEY, code varchar(16) NOT NULL, event_id bigint NOT NULL, status varchar(3) NOT NULL,
            total numeric(13,2) NOT NULL);
        CREATE TABLE pretixbase_orderpayment (
            id bigserial PRIMARY KEY, local_id integer NOT NULL, state varchar(190) NOT NULL, amount numeric(13,2) NOT NULL,
            created timestamptz NOT NULL, payment_date timestamptz, provider varchar(255), info text, migrated boolean NOT NULL,
            order_id bigint NOT NULL, fee_id bigint);
        CREATE TABLE stripe_referencedstripeobject (
            id bigserial PRIMARY KEY, reference varchar(190) NOT NULL UNIQUE, order_id bigint NOT NULL, payment_id bigint)
    """,
    payment="""
        INSERT INTO pretixbase_order VALUES ({key}, 'A' || {key}, 2, 'n', 12.50);
        INSERT INTO pretixbase_orderpayment VALUES ({key}, 1, {status}, 12.50, {created}::timestamptz, NULL, 'stripe', '{{}}',
            false, {key}, NULL);
        INSERT INTO stripe_referencedstripeobject (reference, order_id, payment_id)
        VALUES ({intent}, {key}, {key}), ('ch_' || {key}, {key}, {key})
    """,
    open_status="created",
    lost={"succeed": "confirmed", "fail": "failed"},
    agrees={"cancel": "created"},
    metadata={"event": "2", "order": "{key}", "code": "A{key}"},
    of_others="""
        INSERT INTO pretixbase_order VALUES (91, 'A91', 2, 'n', 12.50);
        INSERT INTO pretixbase_orderpayment VALUES (91, 1, 'pending', 12.50, '2026-10-31 12:00:00', NULL, 'banktransfer', NULL,
            false, 91, NULL)
    """,
)

CAL_COM = ApplicationTable(
    tables="""
        CREATE TYPE "PaymentOption" AS ENUM ('ON_BOOKING', 'HOLD');
        CREATE TABLE "Booking" (
            "id" serial PRIMARY KEY, "uid" text NOT NULL, "createdAt" timestamp(3) NOT NULL, "paid" boolean NOT NULL,
            "status" text NOT NULL);
        CREATE TABLE "Payment" (
            "id" serial PRIMARY KEY, "uid" text NOT NULL UNIQUE, "appId" text, "bookingId" integer NOT NULL, "amount" integer NOT NULL,
            "fee" integer NOT NULL, "currency" text NOT NULL, "success" boolean NOT NULL, "refunded" boolean NOT NULL,
            "data" jsonb NOT NULL, "externalId" text NOT NULL UNIQUE, "paymentOption" "PaymentOption" DEFAULT 'ON_BOOKING')
    """,
    payment="""
        INSERT INTO "Booking" VALUES ({key}, 'b' || {key}, {created}, false, 'pending');
        INSERT INTO "Payment" VALUES ({key}, 'p' || {key}, 'stripe', {key}, 1250, 0, 'eur', {status} = 'paid', false,
            CASE WHEN {key} % 2 = 1 THEN jsonb_build_object('id', {intent})
                ELSE jsonb_build_object('paymentIntent', jsonb_build_object('id', {intent})) END,
            CASE WHEN {key} % 2 = 1 THEN {intent} ELSE 'seti_' || {key} END,
            CASE WHEN {key} % 2 = 1 THEN 'ON_BOOKING' ELSE 'HOLD' END::"PaymentOption")
    """,
    open_status="open",
    lost={"succeed": "paid"},
    agrees={"fail": "open", "cancel": "open"},
    metadata={"identifier": "cal.com", "bookingId": "{key}"},
    of_others="""
        INSERT INTO "Booking" VALUES (91, 'b91', '2026-10-31 12:00:00', false, 'pending');
        INSERT INTO "Payment" VALUES (91, 'p91', 'paypal', 91, 1250, 0, 'EUR', false, false, '{}', '5O190127TN364715T', 'ON_BOOKING')
    """,
)

HYPERSWITCH = ApplicationTable(
    tables="""
        CREATE TYPE "AttemptStatus" AS ENUM ('started', 'authentication_failed', 'router_declined', 'authentication_pending',
            'authentication_successful', 'authorized', 'authorization_failed', 'charged', 'authorizing', 'cod_initiated', 'voided',
            'voided_post_charge', 'void_initiated', 'capture_initiated', 'capture_failed', 'void_failed', 'auto_refunded',
            'partial_charged', 'partially_authorized', 'partial_charged_and_chargeable', 'unresolved', 'pending', 'failure',
            'payment_method_awaited', 'confirmation_awaited', 'device_data_collection_pending', 'integrity_failure', 'expired');
        CREATE TYPE "Currency" AS ENUM ('EUR', 'USD');
        CREATE TABLE payment_attempt (
            payment_id varchar(64) NOT NULL, merchant_id varchar(64) NOT NULL, status "AttemptStatus" NOT NULL,
            amount bigint NOT NULL, currency "Currency", connector varchar(64), error_message text, surcharge_amount bigint,
            tax_amount bigint, connector_transaction_id varchar(128), created_at timestamp NOT NULL, modified_at timestamp NOT NULL,
            attempt_id varchar(64) NOT NULL, amount_to_capture bigint, merchant_connector_id varchar(32), net_amount bigint,
            PRIMARY KEY (attempt_id, merchant_id))
    """,
    payment="""
        INSERT INTO payment_attempt (payment_id, merchant_id, status, amount, currency, connector, connector_transaction_id,
            created_at, modified_at, attempt_id, merchant_connector_id, net_amount)
        VALUES ('pay_' || {key} % 2, 'merchant_' || {key}, {status}, 1200, 'EUR', 'stripe', {intent}, {created}, {created},
            'pay_' || {key} % 2 || '_1', 'mca_1', 1250)
    """,
    open_status="authentication_pending",
    lost={"succeed": "charged", "authorize": "authorized", "fail": "failure", "cancel": "voided"},
    metadata={"order_id": "pay_{key}"},
    of_others="""
        INSERT INTO payment_attempt (payment_id, merchant_id, status, amount, currency, connector, connector_transaction_id,
            created_at, modified_at, attempt_id)
        VALUES ('pay_91', 'merchant_1', 'pending', 1250, 'EUR', 'adyen', '8515131751004933', '2026-10-31 12:00:00', now(), 'pay_91_1')
    """,
)
