"""The tables of the applications that have a preset, as far as a mapping needs them, written down from their migrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

from reconciler.entrypoints.init.presets import Preset

CREATED = "2026-10-31 12:00:00"
"""When every row was created, without a zone; Stripe's clock is two days later."""


@dataclass(frozen=True)
class ApplicationTable:
    """How an application stores its payments."""

    tables: str
    """The statements that make the tables, with the rows that they refer to."""
    payment: str
    """The statement that adds a payment of Stripe's over 12.50 EUR, with {key}, {intent}, {status} and {created}."""
    open_status: str
    lost: Mapping[str, str]
    """What happened at Stripe, as a method of the sandbox, and the status that the application would have written."""
    schema: str = "public"
    """The schema in which the application makes its tables unless it is told another one."""
    of_others: str = ""
    """The statement that adds rows that are none of Stripe's PaymentIntents, to the same table."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The further columns that a correction writes, and what they hold afterwards, as SQL conditions."""

    def add(self, key: int, intent: str, status: str) -> sql.Composed:
        """The statement that adds one payment."""
        return sql.SQL(self.payment).format(
            key=sql.Literal(key),
            intent=sql.Literal(intent),
            status=sql.Literal(status),
            created=sql.Literal(CREATED),
        )


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
        CREATE SCHEMA stripe;
        CREATE TABLE stripe.payment_intents (
            id text PRIMARY KEY, object text, amount integer, amount_capturable integer, amount_received integer,
            canceled_at integer, cancellation_reason text, capture_method text, client_secret text, created integer,
            currency text, customer text, livemode boolean, metadata jsonb, status text)
    """,
    schema="stripe",
    payment="""
        INSERT INTO stripe.payment_intents (id, object, amount, created, currency, livemode, status)
        VALUES ({intent}, 'payment_intent', 1250, extract(epoch FROM {created}::timestamp), 'eur', false, {status})
    """,
    open_status="requires_action",
    lost={"succeed": "succeeded", "cancel": "canceled"},
)

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

APPLICATIONS: Mapping[str, ApplicationTable] = {
    "dj-stripe": DJ_STRIPE,
    "odoo": ODOO,
    "saleor": SALEOR,
    "stripe-sync-engine": STRIPE_SYNC_ENGINE,
}
"""By the name of the preset."""


def qualified(preset: Preset) -> str:
    """The preset's table with the schema that ``init`` would find."""
    return f"{APPLICATIONS[preset.name].schema}.{preset.section.table}"
