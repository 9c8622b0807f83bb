"""A range of time."""

from __future__ import annotations

from reconciler.domain.model.time_range import TimeRange
from tests.unit.domain.samples import NOW, SECOND


def test_a_range_holds_its_first_moment_and_not_its_last() -> None:
    """Neighbouring ranges share no moment and lose none."""
    hour = TimeRange(NOW, NOW + 3600 * SECOND)
    assert NOW in hour
    assert NOW - SECOND not in hour
    assert NOW + 3599 * SECOND in hour
    assert NOW + 3600 * SECOND not in hour


def test_a_missing_bound_is_no_bound() -> None:
    """Without since or until the range has no bound on that side."""
    assert NOW in TimeRange()
    assert NOW in TimeRange(since=NOW)
    assert NOW not in TimeRange(since=NOW + SECOND)
    assert NOW in TimeRange(until=NOW + SECOND)
    assert NOW not in TimeRange(until=NOW)
