"""Stored discrepancies as text, for an export of many: nothing is read that a file holds as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from psycopg import DataError
from psycopg.types.string import TextLoader

from reconciler.adapters.postgres.database import Connection, Cursor
from reconciler.adapters.postgres.discrepancies.stored_object import StoredObject, stored_value
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Side, local_side_of, stripe_side_of
from reconciler.domain.money import Money

_AS_TEXT: Final = ("timestamptz", "jsonb")
_OPEN: Final = State.OPEN.value


class StoredCorrection(NamedTuple):
    """As ``listed_discrepancy.Corrected``, with the time as text."""

    at: str
    by: str
    sweep: int | None


class StoredDiscrepancy(NamedTuple):
    """A row of the statement ``discrepancies_find``, in its order. A time is text as the ledger writes it.

    ``local``, ``stripe`` and ``evidence`` are as ``stored_value`` reads them. The properties are those of
    ``listed_discrepancy.Discrepancy``.
    """

    id: int
    account: str
    kind: str
    severity: str
    state: str
    payment_intent: str | None
    keys: list[str]
    amount: int
    currency: str
    reason: str | None
    cause: str | None
    closing: str | None
    note: str | None
    resolved_by: str | None
    first_seen: str
    last_seen: str
    fingerprint: str
    local: Any
    stripe: Any
    evidence: Any
    order: str | None
    payment_created: str | None
    opened_at: str
    owner: str | None
    due_at: str | None
    seen_at: str | None
    changed_at: str
    corrected: StoredCorrection | None

    @property
    def stake(self) -> Money:
        """The money that is at stake."""
        return Money(self.amount, self.currency)

    @property
    def ending(self) -> str | None:
        """How it ended; None while it is open."""
        return None if self.state == _OPEN else self.closing or self.state

    @property
    def ended_at(self) -> str | None:
        """When it ended; None while it is open."""
        if self.state == _OPEN:
            return None
        return self.changed_at if self.corrected is None else self.corrected.at

    @property
    def local_side(self) -> Side:
        """What the rows say."""
        return local_side_of(_plain(self.local))

    @property
    def stripe_side(self) -> Side:
        """What Stripe says."""
        return stripe_side_of(_plain(self.stripe))


def _plain(value: Any) -> Any:
    # a dictionary is some times as fast as an object that reads it when it is asked
    return value.values_of_text if type(value) is StoredObject else value


def text_cursor(connection: Connection) -> Cursor:
    """A cursor whose rows ``stored_discrepancies`` reads."""
    cursor = connection.cursor()
    for name in _AS_TEXT:
        cursor.adapters.register_loader(name, TextLoader)
    return cursor


def stored_discrepancies(rows: Iterator[Any]) -> Iterator[StoredDiscrepancy]:
    """The discrepancies of these rows. Raises psycopg.DataError for a time that no calendar has."""
    for row in rows:
        (*head, first_seen, last_seen, fingerprint, local, stripe, evidence, order, paid, opened, owner, due, seen, changed,
         corrected, by, sweep) = row  # fmt: skip
        correction = None if corrected is None else StoredCorrection(_moment(corrected), by, sweep)
        values = (
            *head, _time(first_seen), _time(last_seen), fingerprint, stored_value(local), stored_value(stripe),
            stored_value(evidence), order, _time(paid), _time(opened), owner, _time(due), _time(seen), _time(changed),
            correction,
        )  # fmt: skip
        yield StoredDiscrepancy._make(values)


# the times of one discrepancy, and of those that one page stored, are often the same
@lru_cache(maxsize=256)
def _moment(text: str) -> str:
    try:
        return rfc3339(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise DataError(f"a time is out of range: {text}") from None


def _time(text: str | None) -> Any:
    return None if text is None else _moment(text)
