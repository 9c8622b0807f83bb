"""Checks what some rows hold against Stripe's side of them: a mapping may fit the types of a table and not its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.sampling.payment_sample import (
    known_orders,
    payments_of_intents,
    sample_payments,
)
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError
from reconciler.adapters.stripe_gateway.gateway import StripeGateway
from reconciler.clock import Clock
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment, is_intent_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.sample.agreement import ENOUGH, Pair
from reconciler.domain.sample.description_doubts import described_orders, description_doubts
from reconciler.domain.sample.mapping_doubts import (
    Doubt,
    amount_doubts,
    currency_doubts,
    metadata_doubts,
    status_doubts,
)
from reconciler.domain.sample.time_doubts import created_doubts
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.entrypoints.doctor.stripe import gateway_on_reserved_share
from reconciler.errors import ReconcilerError
from reconciler.masking import redact, visible
from reconciler.settings import Account, Settings
from reconciler.wiring.account import rules_of

MOST_RETRIEVES: Final = 40
"""Single PaymentIntents that the doctor reads for one account, besides one page of the newest."""


def data_checks(
    settings: Settings, clock: Clock, readable: Collection[str]
) -> Iterator[DoctorCheck]:
    """Every check of the rows. ``readable`` are the accounts whose PaymentIntents the key may read; the rows of the others are
    checked without Stripe's side.

    There is none if the mapping has a fault: the checks of the database report it.
    """
    if settings.database.url is None or settings.payments is None:
        return
    about = f"rows of {settings.payments.table}"
    try:
        with Database(settings.database_url.get_secret_value(), size=1) as database:
            found = inspect(
                database,
                settings.payments.mapping,
                writes=False,
                accounts=[account.rows for account in settings.accounts],
                tries_texts=True,
            )
            if found.table is None or found.relation is None:
                return
            for account in settings.accounts:
                of = about if len(settings.accounts) == 1 else f"{about}, account {account.name}"
                may_read = account.name in readable
                yield from _account_checks(
                    of, settings, account, clock, database, found.table, found.relation, may_read
                )
    except ReconcilerError as error:
        yield failed(about, error)


def _account_checks(
    about: str,
    settings: Settings,
    account: Account,
    clock: Clock,
    database: Database,
    table: MerchantTable,
    relation: Relation,
    may_read: bool,
) -> Iterator[DoctorCheck]:
    try:
        payments = sample_payments(database, table, relation, account.rows)
        newest: Sequence[Intent] = ()
        pairs: list[Pair] = []
        descriptions: Sequence[str] = ()
        orders: Collection[str] | None = None
        if may_read and payments:
            with gateway_on_reserved_share(settings, account, clock) as gateway:
                newest = gateway.list_intents(TimeRange()).intents
                listed = {intent.id: intent for intent in newest}
                held = payments_of_intents(database, table, relation, account.rows, list(listed))
                pairs = _pairs(gateway, listed, held, payments)
            if settings.table.link_description:
                descriptions = described_orders(newest, rules_of(settings))
                orders = known_orders(database, table, relation, descriptions)
    except SampleTooSlowError:
        yield DoctorCheck(
            about,
            CheckLevel.SKIPPED,
            "the values were not checked: a sample of some hundred rows took the database more than 5 seconds",
            "Create the indexes that reconciler doctor names.",
        )
        return
    doubts = list(_doubts(settings, payments, pairs, newest))
    if orders is not None:
        doubts += description_doubts(descriptions, orders)
    for doubt in doubts:
        level = CheckLevel.FAULT if doubt.is_fault else CheckLevel.WARNING
        yield DoctorCheck(about, level, visible(redact(doubt.what)), visible(redact(doubt.hint)))
    if payments and not doubts:
        compared = f"{len(pairs):,} of them compared with Stripe" if may_read else "without Stripe"
        yield DoctorCheck(
            about, CheckLevel.OK, f"{len(payments):,} sampled rows fit the mapping, {compared}"
        )


def _doubts(
    settings: Settings,
    payments: Sequence[Payment],
    pairs: Sequence[Pair],
    newest: Sequence[Intent],
) -> Iterator[Doubt]:
    section = settings.table
    mapping = section.mapping
    yield from amount_doubts(payments, pairs, mapping)
    yield from currency_doubts(pairs, mapping)
    yield from status_doubts(payments, pairs, mapping)
    yield from created_doubts(payments, pairs, mapping)
    yield from metadata_doubts(newest, rules_of(settings))


def _pairs(
    gateway: StripeGateway,
    listed: Mapping[str, Intent],
    held: Sequence[Payment],
    payments: Sequence[Payment],
) -> list[Pair]:
    """Rows with their PaymentIntents: those that were listed, and some single reads for statuses that these seldom show."""
    pairs = [
        Pair(payment, intent)
        for payment in held
        if (intent := listed.get(payment.payment_intent or "")) is not None
    ]
    seen = Counter(pair.payment.status for pair in pairs)
    known = {pair.payment.key for pair in pairs}
    reads = 0
    for payment in payments:
        ident = payment.payment_intent
        if reads == MOST_RETRIEVES or ident is None or payment.key in known:
            continue
        if ident in listed:
            pairs.append(Pair(payment, listed[ident]))
            seen[payment.status] += 1
        elif is_intent_id(ident) and seen[payment.status] < ENOUGH:
            reads += 1
            retrieved = gateway.retrieve(ident)
            if isinstance(retrieved, Intent):
                pairs.append(Pair(payment, retrieved))
                seen[payment.status] += 1
    return pairs
