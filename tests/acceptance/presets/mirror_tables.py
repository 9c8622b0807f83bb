"""The tables of applications that mirror Stripe's objects."""

from __future__ import annotations

from tests.acceptance.presets.application_table import ApplicationTable

DJ_STRIPE = ApplicationTable(
    tables="""
        CREATE TABLE djstripe_paymentintent (
            djstripe_id bigserial PRIMARY KEY, id varchar(255) NOT NULL UNIQUE, livemode boolean, created timestamptz,
            metadata jsonb, djstripe_created timestamptz NOT NULL, djstripe_updated timestamptz NOT NULL,
            amount bigint NOT NULL, amount_capturable bigint NOT NULL, amount_received bigint NOT NULL,
            canceled_at timestamptz, cancellation_reason varchar(21) NOT NULL, capture_method varchar(9) NOT NULL,
            currency varchar(3) NOT NULL, status varchar(23) NOT NULL)
    """,
    payment="""
        INSERT INTO djstripe_paymentintent VALUES ({key}, {intent}, false, {created}::timestamptz, '{{}}', now(), now(),
            1250, 0, 0, NULL, '', 'automatic', 'eur', {status})
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "cancel": "canceled"},
)

STRIPE_SYNC_ENGINE = ApplicationTable(
    tables="""
        CREATE TABLE payment_intents (
            id text PRIMARY KEY, object text, amount integer, amount_capturable integer, amount_received integer,
            canceled_at integer, cancellation_reason text, capture_method text, client_secret text, created integer,
            currency text, customer text, livemode boolean, metadata jsonb, status text)
    """,
    schema="stripe",
    payment="""
        INSERT INTO payment_intents (id, object, amount, created, currency, livemode, status)
        VALUES ({intent}, 'payment_intent', 1250, extract(epoch FROM {created}::timestamp), 'eur', false, {status})
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "cancel": "canceled"},
)

DJ_STRIPE_STRIPE_DATA = ApplicationTable(
    tables="""
        CREATE TABLE djstripe_paymentintent (
            djstripe_id bigserial PRIMARY KEY, djstripe_created timestamptz NOT NULL, djstripe_updated timestamptz NOT NULL,
            stripe_data jsonb NOT NULL, id varchar(255) NOT NULL UNIQUE, livemode boolean, created timestamptz, metadata jsonb,
            customer_id varchar(255), djstripe_owner_account_id varchar(255), on_behalf_of_id varchar(255),
            payment_method_id varchar(255))
    """,
    payment="""
        INSERT INTO djstripe_paymentintent (djstripe_id, djstripe_created, djstripe_updated, stripe_data, id, livemode, created)
        VALUES ({key}, now(), now(), jsonb_build_object('id', {intent}, 'object', 'payment_intent', 'amount', 1250,
            'currency', 'eur', 'status', {status}), {intent}, false, {created}::timestamptz)
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "cancel": "canceled"},
)

PAY = ApplicationTable(
    tables="""
        CREATE TABLE pay_charges (
            id bigserial PRIMARY KEY, customer_id bigint NOT NULL, subscription_id bigint, processor_id varchar NOT NULL,
            amount integer NOT NULL, currency varchar, application_fee_amount integer, amount_refunded integer, metadata jsonb,
            data jsonb, stripe_account varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL, type varchar,
            object jsonb)
    """,
    payment="""
        INSERT INTO pay_charges (id, customer_id, processor_id, amount, currency, amount_refunded, created_at, updated_at, type,
            object)
        VALUES ({key}, 7, 'ch_' || {key}, 1250, 'eur', 0, {created}, {created}, 'Pay::Stripe::Charge',
            jsonb_build_object('id', 'ch_' || {key}, 'object', 'charge', 'captured', {status} <> 'authorized',
                'status', CASE {status} WHEN 'authorized' THEN 'succeeded' ELSE {status} END, 'payment_intent',
                CASE WHEN {key} % 2 = 1 THEN to_jsonb({intent}::text) ELSE jsonb_build_object('id', {intent}) END))
    """,
    open_status=None,
    lost={"succeed": "succeeded", "authorize": "authorized"},
    agrees={"succeed": "succeeded"},
    of_others="""
        INSERT INTO pay_charges (id, customer_id, processor_id, amount, currency, created_at, updated_at, type, object)
        VALUES (91, 8, 'txn_1', 1250, 'EUR', '2026-10-31 12:00:00', now(), 'Pay::PaddleBilling::Charge', NULL),
            (92, 7, 'ch_92', 1250, 'eur', '2026-10-31 12:00:00', now(), 'Pay::Stripe::Charge', '{"payment_intent": null}')
    """,
)
