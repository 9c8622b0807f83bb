"""The history of one payment on one time line: what was found, written, taken back, settled, noted and delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.domain.audit.ledger_entry import Action, Entry
from reconciler.domain.findings.discrepancy import State


class HistoryEvent(StrEnum):
    """What happened. An action of the ledger that is not named here keeps its own name."""

    FOUND = "found"
    CHANGED = "changed"
    CORRECTED = "corrected"
    REVERTED = "reverted"
    CLOSED = "closed"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    REOPENED = "reopened"
    NOTE = "note"
    QUEUED = "queued"
    """A message for the merchant's own code is in the outbox."""
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class HistoryNote:
    """A note about a discrepancy. ``text`` is None if it was removed."""

    discrepancy: int
    author: str
    text: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox and its delivery. ``seq`` is the ledger entry of the write that it announces."""

    id: int
    seq: int
    key: str
    created_at: datetime
    attempts: int
    delivered_at: datetime | None
    given_up_at: datetime | None
    next_attempt_at: datetime | None
    last_error: str | None

    @property
    def state(self) -> str:
        """Delivered, given_up, or waiting for the endpoint or for a worker of the merchant."""
        if self.delivered_at is not None:
            return "delivered"
        return "waiting" if self.given_up_at is None else "given_up"


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of the history. ``event`` is a ``HistoryEvent``, or the name of another action of the ledger.

    ``by`` is who did it, as the operating system or the database knows them; ``claimed_by`` is the name that they gave.
    ``before`` and ``after`` are the row's status. ``reason`` is why it was not corrected, why it was closed, or the state
    of a delivery. ``note`` is a person's text, or the last error of a delivery. ``seq`` is the entry of the ledger, None if the line is
    from another table.
    """

    at: datetime
    event: str
    seq: int | None = None
    by: str | None = None
    claimed_by: str | None = None
    sweep: int | None = None
    discrepancy: int | None = None
    kind: str | None = None
    key: str | None = None
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    note: str | None = None
    outbox: int | None = None


_ORDER: Final = (HistoryEvent.FOUND, HistoryEvent.CHANGED, HistoryEvent.CLOSED)
"""In one transaction a payment is found before it is written, and the outbox comes last."""
_LAST: Final = (HistoryEvent.QUEUED, HistoryEvent.DELIVERED, HistoryEvent.GIVEN_UP)


def payment_history(
    entries: Iterable[Entry],
    notes: Iterable[HistoryNote],
    outbox: Iterable[OutboxRow],
    numbers: Mapping[tuple[str, str], int],
) -> tuple[HistoryItem, ...]:
    """The time line of a payment, oldest first.

    ``entries`` are the ledger's about it. ``numbers`` are those of its discrepancies, by subject and kind.
    """
    items = [item for entry in entries for item in _of_entry(entry, numbers)]
    items += [
        HistoryItem(
            note.at,
            HistoryEvent.NOTE,
            by=note.author,
            discrepancy=note.discrepancy,
            note=note.text if note.text is not None else "(removed)",
        )
        for note in notes
    ]
    for row in outbox:
        items += _of_outbox(row)
    return tuple(sorted(items, key=_place))


def _place(item: HistoryItem) -> tuple[datetime, int, int]:
    rank = 0 if item.event in _ORDER else 2 if item.event in _LAST else 1
    return item.at, rank, item.seq or 0


def _of_entry(entry: Entry, numbers: Mapping[tuple[str, str], int]) -> Iterator[HistoryItem]:
    body = entry.body
    event = _event(entry)
    # the entry of the write itself says it, and a note's text is not in the ledger
    if event is None:
        return
    kind = _text(body, "kind")
    subject = _text(body, "subject")
    number = body.get("discrepancy")
    if not isinstance(number, int):
        number = numbers.get((subject or "", kind or ""))
    sweep = body.get("sweep")
    yield HistoryItem(
        at=entry.at,
        event=event,
        seq=entry.seq,
        by=_text(body, "asked_by"),
        claimed_by=_text(body, "claimed_by"),
        sweep=sweep if isinstance(sweep, int) else None,
        discrepancy=number,
        kind=kind,
        key=_text(body, "key") or _only_key(body),
        before=_status(body, "before"),
        after=_status(body, "after"),
        reason=_text(body, "closing") or _text(body, "reason"),
        note=_text(body, "note"),
    )


def _event(entry: Entry) -> str | None:
    """What an entry is on the time line; None if another line says it already."""
    state = entry.body.get("state")
    match entry.action:
        case Action.FINDING_OPENED:
            return HistoryEvent.FOUND
        case Action.FINDING_CHANGED:
            # a correction, a verdict and a revert have an entry of their own
            if "reverted" in entry.body or state not in (State.OPEN, State.CLOSED):
                return None
            return HistoryEvent.CLOSED if state == State.CLOSED else HistoryEvent.CHANGED
        case Action.CORRECTION:
            return HistoryEvent.CORRECTED
        case Action.REVERT:
            return HistoryEvent.REVERTED
        case Action.RESOLUTION:
            return HistoryEvent.IGNORED if state == State.IGNORED else HistoryEvent.RESOLVED
        case Action.REOPENING:
            return HistoryEvent.REOPENED
        case Action.NOTE:
            return None
        case _ as other:
            return other


def _of_outbox(row: OutboxRow) -> Iterator[HistoryItem]:
    yield HistoryItem(
        row.created_at,
        HistoryEvent.QUEUED,
        key=row.key,
        outbox=row.id,
        reason=row.state,
        note=row.last_error if row.state == "waiting" else None,
    )
    if row.delivered_at is not None:
        yield HistoryItem(row.delivered_at, HistoryEvent.DELIVERED, key=row.key, outbox=row.id)
    elif row.given_up_at is not None:
        yield HistoryItem(
            row.given_up_at,
            HistoryEvent.GIVEN_UP,
            key=row.key,
            outbox=row.id,
            note=row.last_error,
        )


def _text(body: Mapping[str, object], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _status(body: Mapping[str, object], name: str) -> str | None:
    values = body.get(name)
    return _text(values, "status") if isinstance(values, Mapping) else None


def _only_key(body: Mapping[str, object]) -> str | None:
    keys = body.get("keys")
    if isinstance(keys, list) and len(keys) == 1 and isinstance(keys[0], str):
        return keys[0]
    return None
