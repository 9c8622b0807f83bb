"""A period of whole days in the time zone of the books."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from reconciler.domain.model.time_range import TimeRange

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """The days from ``first`` to ``last``, both included, in a time zone."""

    first: date
    last: date
    zone: tzinfo

    @property
    def days(self) -> tuple[date, ...]:
        """Every day, in order."""
        return tuple(self._days())

    def _days(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += _DAY

    @property
    def start(self) -> datetime:
        """The first moment of the first day."""
        return start_of(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after the last day."""
        return start_of(self.last + _DAY, self.zone)


def start_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day. Days of 23 and 25 hours occur where the clocks change."""
    return datetime.combine(day, time(), zone)


def whole_days(
    covered: TimeRange, zone: tzinfo, earliest: datetime, until: datetime
) -> Period | None:
    """The days that a range covers from their first moment to their last; None if there is none.

    ``earliest`` stands for the beginning of a range that has none. A day that ends after ``until`` was not over.
    """
    since = covered.since or earliest
    end = until if covered.until is None else min(covered.until, until)
    first = since.astimezone(zone).date()
    if start_of(first, zone) < since:
        first += _DAY
    last = end.astimezone(zone).date() - _DAY
    return Period(first, last, zone) if first <= last else None
