"""Everything that Reconciler's own tables hold about one payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import discrepancy_of_row
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.adapters.postgres.web.ledger_and_sweeps import ListedEntry
from reconciler.domain.findings.listed_discrepancy import Discrepancy

_SQL: Final = STATEMENTS["web"]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of Stripe's that a sweep has met. ``delivered`` is whether no delivery of it was pending.

    ``failure_code`` is why the attempt failed that the event is about.
    """

    id: str
    type: str
    created: datetime
    delivered: bool
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class StoredNote:
    """What a person wrote about a discrepancy, and the name of an attached file."""

    discrepancy: int
    author: str
    text: str
    at: datetime
    attachment: str | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message to the merchant's own code about a changed row."""

    id: int
    key: str
    before: str | None
    after: str | None
    created_at: datetime
    delivered_at: datetime | None
    attempts: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class StoredAcceptance:
    """A reviewer's request to write Stripe's outcome to a row. ``state`` is asked, done, refused or expired.

    ``answer`` says what was done, or why not; why the last attempt failed if it is still asked.
    """

    id: int
    discrepancy: int
    asked_by: str
    note: str
    row: str | None
    asked_at: datetime
    expires_at: datetime
    answer: str | None
    changed_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class PaymentRecords:
    """All records of a payment. Empty if nothing is stored about it."""

    discrepancies: tuple[Discrepancy, ...]
    entries: tuple[ListedEntry, ...]
    events: tuple[StoredEvent, ...]
    notes: tuple[StoredNote, ...]
    messages: tuple[StoredMessage, ...]
    acceptances: tuple[StoredAcceptance, ...] = ()


def payment_of_discrepancy(database: Database, number: int) -> tuple[str, str] | None:
    """The account of a discrepancy and the name of its payment: an intent, else the key of a row. None: no such one."""
    with database.connection("looking for a discrepancy") as connection:
        row = connection.execute(_SQL["web_discrepancy_place"], {"id": number}).fetchone()
    if row is None:
        return None
    account, intent, keys, subject = row
    return account, intent or (keys[0] if keys else subject)


def payment_records(database: Database, account: str, name: str) -> PaymentRecords:
    """The records about a payment. ``name`` is a PaymentIntent or the key of a row."""
    with database.snapshot("reading a payment") as connection:
        rows = connection.execute(
            _SQL["web_payment_discrepancies"], {"account": account, "name": name}
        ).fetchall()
        found = tuple(discrepancy_of_row(*row) for row in rows)
        names = {name, *(item.subject for item in found)}
        names |= {item.payment_intent for item in found if item.payment_intent is not None}
        parameters = {
            "account": account,
            "names": sorted(names),
            "ids": [item.id for item in found],
        }
        return PaymentRecords(
            discrepancies=found,
            entries=tuple(
                ListedEntry(*row)
                for row in connection.execute(_SQL["web_payment_entries"], parameters)
            ),
            events=tuple(
                StoredEvent(*row)
                for row in connection.execute(_SQL["web_payment_events"], parameters)
            ),
            notes=tuple(
                StoredNote(*row)
                for row in connection.execute(_SQL["web_payment_notes"], parameters)
            ),
            messages=tuple(
                StoredMessage(*row)
                for row in connection.execute(_SQL["web_payment_outbox"], parameters)
            ),
            acceptances=tuple(
                StoredAcceptance(*row)
                for row in connection.execute(_SQL["web_payment_acceptances"], parameters)
            ),
        )
