"""A recheck: a stored time at which an intent is read again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

NEXT_POLL: Final = "schedule"
"""The reason of a recheck that only says when the next poll of an open payment is due.

It is of no use any more once the row is settled. Every other recheck stays until its intent has a verdict.
"""

TABLE_REFUSED: Final = "your table refused this correction"
"""Why a correction waits that the merchant's table has refused for the row as it is now."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """An intent to read again at ``due_at``, and why."""

    payment_intent: str
    due_at: datetime
    reason: str
