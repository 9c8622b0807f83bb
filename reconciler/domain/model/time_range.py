"""A range of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From ``since`` up to and without ``until``; None is without a bound on that side."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        after = self.since is None or moment >= self.since
        return after and (self.until is None or moment < self.until)
