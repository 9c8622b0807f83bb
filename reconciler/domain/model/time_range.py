"""A range of time, such as the one that a list covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The moments from ``since`` on and before ``until``. None means that there is no bound on that side."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        is_after = self.since is None or moment >= self.since
        return is_after and (self.until is None or moment < self.until)
