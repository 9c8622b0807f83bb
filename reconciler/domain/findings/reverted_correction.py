"""A correction that a person took back: what was decided stays so until a person or Stripe says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Revert:
    """A correction that a person took back. It is not made again by itself for this row, intent and outcome.

    ``sweep`` is the sweep whose correction it was. ``at`` is Stripe's time, as RFC 3339. ``keys`` are the keys of the
    rows; none if a key could not be stored as it is, and then every row of the intent is meant.
    """

    sweep: int
    outcome: str
    by: str
    at: str
    keys: tuple[str, ...] = ()
    claimed_by: str | None = None
    """The name that this person gave besides, which nothing has checked."""

    def concerns(self, outcome: str, keys: tuple[str, ...]) -> bool:
        """Whether a write of this outcome to one of these rows would undo what the person did."""
        is_of_rows = not self.keys or not set(self.keys).isdisjoint(keys)
        return self.outcome == outcome and is_of_rows

    @property
    def evidence(self) -> Mapping[str, object]:
        """What a finding says of it: who took which sweep's correction back, and when."""
        said = {} if self.claimed_by is None else {"claimed_by": self.claimed_by}
        return {"sweep": self.sweep, "by": self.by, "at": self.at, **said}
