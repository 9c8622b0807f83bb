"""A pause: no row of the merchant is written while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """``since`` and ``until`` are times of the database; ``until`` is None if a person has to end it.

    ``claimed_by`` is the name that the person gave besides with --by, which nothing has checked.
    """

    since: datetime
    until: datetime | None
    asked_by: str
    claimed_by: str | None = None

    @property
    def text(self) -> str:
        """Since when it lasts and until when, and who asked for it."""
        end = (
            "until a person runs reconciler resume"
            if self.until is None
            else f"until {self.until:%Y-%m-%d %H:%M %Z}"
        )
        name = self.asked_by if self.claimed_by is None else f"{self.claimed_by} ({self.asked_by})"
        return f"paused by {name} since {self.since:%Y-%m-%d %H:%M %Z}, {end}"
