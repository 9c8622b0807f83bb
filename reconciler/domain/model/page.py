"""A page: what is read about up to a hundred intents, and what is written about them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.findings.discrepancy import Reason, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.outcome import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class IntentPage:
    """One page of Stripe's list of intents, newest first.

    ``next_after`` is the cursor of the next page, None on the last one. ``unreadable`` are the ids of objects that
    could not be parsed.
    """

    intents: tuple[Intent, ...]
    next_after: str | None
    seen_at: datetime
    request_id: str | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of Stripe's list of events, newest first. ``next_after`` is the cursor of the next page."""

    events: tuple[Event, ...]
    next_after: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database knows about a page. ``at`` is the database's time."""

    payments: tuple[Payment, ...]
    """The rows that hold one of the page's intents."""
    claimable: tuple[Payment, ...]
    """The rows of the page's orders that hold no intent."""
    paid: tuple[Payment, ...]
    """The paid rows of the page's orders, no matter which intent they hold."""
    known: tuple[StoredDiscrepancy, ...]
    """The stored discrepancies of the page's intents; empty if Reconciler's schema does not exist."""
    events: tuple[Event, ...]
    """The known events of the page's intents; empty if Reconciler's schema does not exist."""
    at: datetime
    waiting: tuple[Recheck, ...] = ()
    """The rechecks of the page's intents, without those that only schedule a poll."""
    is_paused: bool = False
    """Whether a person has paused all writes to the account's rows. Known only if the rows were locked to be written."""


def parts_of(loaded: Loaded, pages: Sequence[Collection[str]]) -> list[Loaded]:
    """What was loaded about the intents of several pages together, as the part of each page."""
    # each row is looked at once: there may be some thousands, and some tens of pages
    of_intent = _page_numbers((page, number) for number, page in enumerate(pages))
    count = len(pages)
    payments = _dealt(loaded.payments, lambda row: row.payment_intent, of_intent, count)
    of_order = _page_numbers(({row.order for row in rows}, n) for n, rows in enumerate(payments))
    paid = _dealt(loaded.paid, lambda row: row.order, of_order, count)
    known = _dealt(loaded.known, lambda item: item.intent, of_intent, count)
    events = _dealt(loaded.events, lambda item: item.payment_intent, of_intent, count)
    waiting = _dealt(loaded.waiting, lambda item: item.payment_intent, of_intent, count)
    return [
        replace(
            loaded,
            payments=payments[number],
            paid=paid[number],
            known=known[number],
            events=events[number],
            waiting=waiting[number],
        )
        for number in range(count)
    ]


def _page_numbers(
    pages: Iterable[tuple[Collection[str | None], int]],
) -> dict[str | None, list[int]]:
    """The numbers of the pages that have each name."""
    numbers: dict[str | None, list[int]] = {}
    for page, number in pages:
        for name in frozenset(page):
            numbers.setdefault(name, []).append(number)
    return numbers


def _dealt(
    items: Iterable[T],
    name_of: Callable[[T], str | None],
    numbers: Mapping[str | None, Sequence[int]],
    count: int,
) -> list[tuple[T, ...]]:
    """The items of each of ``count`` pages, in their order."""
    parts: list[list[T]] = [[] for _ in range(count)]
    for item in items:
        for number in numbers.get(name_of(item), ()):
            parts[number].append(item)
    return [tuple(part) for part in parts]


@dataclass(frozen=True, slots=True)
class RowWrite:
    """A row to change, if it is still the row that was compared.

    ``payment`` is the row as this transaction read it again. ``payment_intent`` is the intent that the row holds after
    the write: the same as before, or the intent that was found by the row's order.
    """

    payment: Payment
    to_status: str
    payment_intent: str | None
    entry: Draft
    """The ledger entry of the write; the outbox names it too."""
    sets: Outcome | None = None
    """The outcome whose [payments.set] is written; None if no other column is."""
    restore: Mapping[str, str | None] | None = None
    """The other columns that a revert puts back, as PostgreSQL prints their values."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """Everything that is written about one page, in one transaction or not at all."""

    writes: tuple[RowWrite, ...] = ()
    updates: tuple[DiscrepancyUpdate, ...] = ()
    rechecks: tuple[Recheck, ...] = ()
    settled: tuple[str, ...] = ()
    """The intents that have a verdict, so that their rechecks are removed."""
    events: tuple[Event, ...] = ()
    drafts: tuple[Draft, ...] = ()
    """The ledger entries of ``updates``, in order."""
    seen_at: datetime | None = None
    """Stripe's time of this examination: first and last seen of its discrepancies."""
    sweep: int | None = None
    """The sweep that examined the page."""
    most_an_hour: int | None = None
    """How many rows the service may correct in an hour, those of this page included; None in a person's sweep."""


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """Why the merchant's table does not take a write.

    ``reason`` is REFUSED_BY_TABLE or NOT_KEPT_BY_TABLE. ``constraint`` is the name of the constraint, or of the function
    of the trigger, if PostgreSQL names one. ``message`` is one line, with secrets masked and without a row's values from
    PostgreSQL's detail.
    """

    reason: Reason
    constraint: str | None
    message: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a record. If a row was refused, nothing of the record is stored.

    ``refused`` has the refused rows by key. Of rows that are written all or none it has every one.
    """

    refused: Mapping[str, RefusedWrite] = field(default_factory=dict)
