"""The days of a period in the time zone of the books."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.statement.period import Period, whole_days

BERLIN = ZoneInfo("Europe/Berlin")
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)


def test_a_period_has_every_day() -> None:
    """First and last are included, and the end is the first moment after it."""
    period = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
    assert (len(period.days), period.days[0], period.days[-1]) == (31, period.first, period.last)
    assert (period.start, period.end) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
    )


def test_a_day_has_as_many_hours_as_the_clock_shows() -> None:
    """On the day on which summer time ends it has 25."""
    period = Period(date(2026, 10, 25), date(2026, 10, 25), BERLIN)
    assert period.end.astimezone(UTC) - period.start.astimezone(UTC) == timedelta(hours=25)


def test_only_whole_days_are_covered() -> None:
    """A day that begins before the range, or ends after it, is left out."""
    covered = TimeRange(datetime(2026, 10, 1, 5, tzinfo=UTC), datetime(2026, 10, 4, 23, tzinfo=UTC))
    late = datetime(2026, 10, 9, tzinfo=UTC)
    assert whole_days(covered, UTC, EARLIEST, late) == Period(
        date(2026, 10, 2), date(2026, 10, 3), UTC
    )
    # in Berlin it is two hours later, so the range ends after the fourth
    assert whole_days(covered, BERLIN, EARLIEST, late) == Period(
        date(2026, 10, 2), date(2026, 10, 4), BERLIN
    )


def test_a_range_may_begin_and_end_with_a_day() -> None:
    """Midnight belongs to the day that it begins."""
    covered = TimeRange(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))
    assert whole_days(covered, UTC, EARLIEST, datetime(2026, 10, 9, tzinfo=UTC)) == Period(
        date(2026, 10, 1), date(2026, 10, 1), UTC
    )


def test_a_day_that_is_not_over_is_not_covered() -> None:
    """What is created later on it was not listed; a range without ends reaches from the earliest time until then."""
    until = datetime(2010, 1, 2, 12, tzinfo=UTC)
    assert whole_days(TimeRange(), UTC, EARLIEST, until) == Period(
        date(2010, 1, 1), date(2010, 1, 1), UTC
    )
    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert whole_days(TimeRange(noon), UTC, EARLIEST, noon + timedelta(hours=20)) is None
