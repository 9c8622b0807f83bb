"""One line of a payment's history as a person reads it."""

from __future__ import annotations

from typing import Final

from reconciler.domain.findings.history_item import HistoryEvent, HistoryItem

_TEXTS: Final = {
    HistoryEvent.FOUND: "found {kind}{sweep}{why}",
    HistoryEvent.CHANGED: "found {kind} again with other values{sweep}{why}",
    HistoryEvent.CLOSED: "closed {kind}{sweep}{why}",
    HistoryEvent.CORRECTED: "corrected {change}{sweep}",
    HistoryEvent.REVERTED: "reverted {change}{corrected_by}",
    HistoryEvent.RESOLVED: "resolved {kind}{written}{note}",
    HistoryEvent.IGNORED: "ignored {kind}{note}",
    HistoryEvent.REOPENED: "reopened {kind}",
    HistoryEvent.ASSIGNED: "assigned {kind}{to}",
    HistoryEvent.NOTE: "note on {number}{note}",
    HistoryEvent.QUEUED: "outbox row {outbox} written for payment {key}{why}{error}",
    HistoryEvent.DELIVERED: "outbox row {outbox} delivered",
    HistoryEvent.GIVEN_UP: "outbox row {outbox} given up{note}",
}


def history_text(item: HistoryItem) -> str:
    """What happened, in one line without the time and without the person."""
    number = "a discrepancy" if item.discrepancy is None else f"discrepancy {item.discrepancy}"
    change = f"{item.before or 'no status'} -> {item.after or 'no status'}"
    # an end of the message has a line of its own
    has_own_line = item.event == HistoryEvent.QUEUED and item.reason in _ENDS_OF_MESSAGES
    reason = None if has_own_line else item.reason
    template = _TEXTS.get(HistoryEvent(item.event)) if item.event in _EVENTS else None
    return (template or "{event} {kind}{note}").format(
        event=item.event.replace("_", " "),
        number=number,
        kind=number if item.kind is None else f"{item.kind} ({number})",
        change=change if item.key is None else f"payment {item.key}: {change}",
        written="" if item.after is None else f", {change}",
        sweep="" if item.sweep is None else f", by sweep {item.sweep}",
        corrected_by="" if item.sweep is None else f", a correction of sweep {item.sweep}",
        why=f": {reason}" if reason else "",
        note=f": {item.note}" if item.note else "",
        error=f"; last error: {item.note}" if item.note else "",
        to=f" to {item.note}" if item.note else " to no person",
        outbox=item.outbox,
        key=item.key,
    )


_ENDS_OF_MESSAGES: Final = ("delivered", "given_up")
_EVENTS: Final = frozenset(event.value for event in HistoryEvent)


def by_text(item: HistoryItem) -> str:
    """Who did it: the name that the system knows, and the one that the person gave."""
    return (item.by or "") + (f" ({item.claimed_by})" if item.claimed_by else "")
