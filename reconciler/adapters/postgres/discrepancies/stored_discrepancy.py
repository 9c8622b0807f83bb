"""Stored discrepancies as text, for an export of many: nothing is read that a file holds as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from psycopg import DataError
from psycopg.types.string import TextLoader

from reconciler.adapters.postgres.database import Connection, Cursor
from reconciler.adapters.postgres.discrepancies.stored_object import stored_value
from reconciler.domain.audit.hash_chain import rfc3339

_AS_TEXT: Final = ("timestamptz", "jsonb")


class StoredDiscrepancy(NamedTuple):
    """A row of the statement ``discrepancies_find``, in its order. A time is text as the ledger writes it.

    ``local``, ``stripe`` and ``evidence`` are as ``stored_value`` reads them.
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
    corrected_at: str | None
    corrected_by: str | None
    corrected_in_sweep: int | None


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
        yield StoredDiscrepancy(
            *head, _time(first_seen), _time(last_seen), fingerprint, stored_value(local), stored_value(stripe),
            stored_value(evidence), order, _time(paid), _time(opened), owner, _time(due), _time(seen), _time(changed),
            _time(corrected), by, sweep,
        )  # fmt: skip


# the times of one discrepancy, and of those that one page stored, are often the same
@lru_cache(maxsize=256)
def _moment(text: str) -> str:
    try:
        return rfc3339(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise DataError(f"a time is out of range: {text}") from None


def _time(text: str | None) -> Any:
    return None if text is None else _moment(text)
