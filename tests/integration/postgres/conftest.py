"""Fixtures and builders for the tests of the PostgreSQL adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Finding, Kind, Severity, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.page import PageRecord, RowWrite
from reconciler.domain.model.payment import AccountRows, Payment
from reconciler.domain.money import Money
from tests.kept_connections import kept_connection

SEEN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


@dataclass
class Bench:
    """One account's store on a shop's table, with the account's lease."""

    database: Database
    store: PostgresStore
    leases: PostgresLeaseStore
    epoch: int
    url: str

    def all(self, query: str, **parameters: object) -> list[tuple]:
        """Execute a statement that gives rows; all of them."""
        return kept_connection(self.url).execute(query, parameters).fetchall()

    def write(self, record: PageRecord) -> None:
        """Record a page that reads nothing before."""
        with self.store.transaction(self.epoch) as page:
            page.write(record)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """A factory: ``bench(shop)``. ``url`` connects as another role, ``account`` is another account's name."""
    with ExitStack() as stack:

        def make(
            shop,
            url: str | None = None,
            account: str = "default",
            account_rows: AccountRows | None = None,
            **inspection,
        ) -> Bench:
            url = url or shop.url
            database = stack.enter_context(Database(url))
            inspection.setdefault("writes", True)
            table = inspect(database, shop.mapping, **inspection).table_or_raise()
            store = PostgresStore(database, replace(table, account_rows=account_rows), account)
            leases = PostgresLeaseStore(database, account)
            epoch = leases.acquire("bench", 60) if store.has_schema else None
            return Bench(database, store, leases, epoch or 0, url)

        yield make


def finding(intent: str = "pi_1", kind: Kind = Kind.MISSED_OUTCOME, **values: object) -> Finding:
    chosen = {
        "severity": Severity.WARNING,
        "stake": Money(1250, "eur"),
        "keys": ("1",),
        "local": {"status": "pending"},
        "stripe": {"status": "succeeded"},
        **values,
    }
    return Finding(kind=kind, payment_intent=intent, **chosen)


def opened(
    found: Finding, number: int | None = None, state: State = State.OPEN
) -> DiscrepancyUpdate:
    return DiscrepancyUpdate(number, found.subject, found.kind, state, found, is_news=True)


def correction(
    payment: Payment, to: str = "paid", intent: str | None = None, **body: object
) -> RowWrite:
    entry = Draft(Action.CORRECTION, {"key": payment.key, "asked_by": "service", **body})
    return RowWrite(payment, to, intent or payment.payment_intent, entry)


@pytest.fixture
def make_finding() -> Callable[..., Finding]:
    return finding


@pytest.fixture
def make_update() -> Callable[..., DiscrepancyUpdate]:
    return opened


@pytest.fixture
def make_correction() -> Callable[..., RowWrite]:
    return correction


@pytest.fixture
def seen() -> datetime:
    """Stripe's time at which the test's findings were seen."""
    return SEEN
