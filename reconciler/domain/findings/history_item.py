"""What a payment's history is made of: its lines, and the records besides the ledger that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    ASSIGNED = "assigned"
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
    of a delivery. ``note`` is a person's text, an owner, or the last error of a delivery. ``seq`` is the entry of the ledger, None if the line is
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
