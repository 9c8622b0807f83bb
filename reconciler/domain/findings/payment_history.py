"""The history of one payment on one time line: what was found, written, taken back, settled, noted and delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Action, Entry
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.history_item import (
    HistoryEvent,
    HistoryItem,
    HistoryNote,
    OutboxRow,
)

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
        note=_text(body, "note") or _text(body, "owner"),
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
        case Action.ASSIGNMENT:
            return HistoryEvent.ASSIGNED
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
