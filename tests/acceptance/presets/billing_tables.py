"""The tables of applications that bill, book or sell tickets."""

from __future__ import annotations

from tests.acceptance.presets.application_table import ApplicationTable

LAGO = ApplicationTable(
    tables="""
        CREATE TYPE payment_type AS ENUM ('provider', 'manual');
        CREATE TYPE payment_payable_payment_status AS ENUM ('pending', 'processing', 'succeeded', 'failed');
        CREATE TABLE payment_providers (
            id uuid PRIMARY KEY, organization_id uuid NOT NULL, type varchar NOT NULL, secrets varchar,
            settings jsonb NOT NULL DEFAULT '{}', code varchar NOT NULL, deleted_at timestamp);
        INSERT INTO payment_providers (id, organization_id, type, code) VALUES
            ('00000000-0000-0000-0000-0000000000a1', gen_random_uuid(), 'PaymentProviders::StripeProvider', 'stripe'),
            ('00000000-0000-0000-0000-0000000000a2', gen_random_uuid(), 'PaymentProviders::AdyenProvider', 'adyen');
        CREATE TABLE payments (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(), invoice_id uuid, payment_provider_id uuid, amount_cents bigint NOT NULL,
            amount_currency varchar NOT NULL, provider_payment_id varchar, status varchar NOT NULL,
            created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL, payable_type varchar NOT NULL DEFAULT 'Invoice',
            payable_id uuid, payable_payment_status payment_payable_payment_status,
            payment_type payment_type NOT NULL DEFAULT 'provider', reference varchar, error_code varchar)
    """,
    payment="""
        INSERT INTO payments (id, payment_provider_id, amount_cents, amount_currency, provider_payment_id, status, created_at,
            updated_at, payable_id, payable_payment_status)
        VALUES (md5({key}::text)::uuid, '00000000-0000-0000-0000-0000000000a1', 1250, 'EUR', {intent}, {status}, {created},
            {created}, md5('invoice ' || {key})::uuid, 'processing')
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "fail": "failed"},
    agrees={"cancel": "failed"},
    of_others="""
        INSERT INTO payments (payment_provider_id, amount_cents, amount_currency, provider_payment_id, status, created_at,
            updated_at, payable_id, payment_type)
        VALUES ('00000000-0000-0000-0000-0000000000a2', 1250, 'EUR', '8515131751004933', 'Authorised',
                '2026-10-31 12:00:00', now(), gen_random_uuid(), 'provider'),
            (NULL, 1250, 'EUR', NULL, 'succeeded', '2026-10-31 12:00:00', now(), gen_random_uuid(), 'manual')
    """,
)
