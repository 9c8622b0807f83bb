"""A sweep as a person reads it in a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """A stored sweep. ``finished_at`` and ``complete`` are None while it runs, or if its process died.

    ``reads`` and ``examined`` are known at its end. ``corrected`` and ``reverted`` count rows, as the ledger has them;
    ``revertible`` is how many corrections a person can still take back.
    """

    id: int
    account: str
    kind: str
    mode: str
    applied: bool
    asked_by: str
    started_at: datetime
    finished_at: datetime | None
    complete: bool | None
    reads: int | None
    examined: int | None
    corrected: int
    reverted: int
    revertible: int


@dataclass(frozen=True, slots=True)
class ListedCorrection:
    """A row that a sweep corrected, as the ledger's ``entry`` has it. ``amount`` is in minor units; ``order`` may be unknown."""

    entry: int
    at: datetime
    payment: str
    order: str | None
    payment_intent: str
    amount: int | None
    currency: str | None
    status_before: str | None
    status_after: str | None
    reverted: bool
