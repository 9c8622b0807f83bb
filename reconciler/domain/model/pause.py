"""A pause: no row of the merchant is written while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """``since`` and ``until`` are times of the database; ``until`` is None if a person has to end it."""

    since: datetime
    until: datetime | None
    asked_by: str

    @property
    def text(self) -> str:
        """Since when it lasts and until when, and who asked for it."""
        end = (
            "until a person runs reconciler resume"
            if self.until is None
            else f"until {self.until:%Y-%m-%d %H:%M %Z}"
        )
        return f"paused by {self.asked_by} since {self.since:%Y-%m-%d %H:%M %Z}, {end}"
