"""A correction, or what took one back, as a file for people lists it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RecordedCorrection:
    """A write to a row, as the ledger holds it. ``before`` and ``after`` are the row's status."""

    account: str
    seq: int
    at: datetime
    action: str
    payment_intent: str | None
    key: str | None
    before: str | None
    after: str | None
    asked_by: str | None
    sweep: int | None
