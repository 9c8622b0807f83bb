"""The merchant's side: one row of their table as it was seen at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Payment:
    """A row. ``key`` and ``order`` are the columns' values as text.

    ``amount`` is in minor units, None where the column is null or holds no whole number of them; ``currency`` is
    lower case. ``stored_amount`` and ``stored_currency`` are the columns as the database prints them: a correction
    is written only where they are still the same. ``payment_intent`` is null where the row has not learnt it yet.
    """

    account: str
    key: str
    payment_intent: str | None
    status: str | None
    outcome: Outcome
    amount: int | None
    currency: str | None
    created: datetime | None = None
    order: str | None = None
    stored_amount: str | None = None
    stored_currency: str | None = None


@dataclass(frozen=True, slots=True)
class StatusMap:
    """The merchant's statuses in both directions.

    ``read`` is many to one (several local values may mean one outcome), ``write`` says which value is written for
    an outcome; an outcome that is not in it is never written.
    """

    read: Mapping[str, Outcome]
    write: Mapping[Outcome, str]

    def outcome(self, status: str | None) -> Outcome:
        """What a local value means; UNKNOWN for null and for a value that is not mapped."""
        if status is None:
            return Outcome.UNKNOWN
        return self.read.get(status, Outcome.UNKNOWN)

    def can_say(self, outcome: Outcome) -> bool:
        """Whether some local value means this outcome."""
        return outcome in self.read.values()

    def values_of(self, *outcomes: Outcome) -> tuple[str, ...]:
        """Every local value that means one of these outcomes, sorted."""
        return tuple(sorted(value for value, means in self.read.items() if means in outcomes))
