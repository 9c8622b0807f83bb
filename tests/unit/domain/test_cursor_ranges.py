"""How a range is listed with several cursors, and how large a page of retrieves is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.cursor_ranges import MOST_CURSORS, cursor_ranges, whole_seconds
from reconciler.domain.planning.histogram import (
    JOINED_INTENTS,
    MOST_JOINED_BUCKETS,
    joined_bucket_size,
)
from reconciler.domain.read_limits_and_shortage import retrieve_page_size

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
moments = st.datetimes(
    # Hypothesis wants its bounds without a zone
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2026, 3, 4),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(moments, st.none() | moments, st.integers(0, 10**7), moments)
def test_the_ranges_of_cursors_cover_a_range_without_gap_or_overlap(
    since: datetime, until: datetime | None, expected: int, moment: datetime
) -> None:
    """Every moment of the range, widened to whole seconds, lies in the range of exactly one cursor."""
    if until is not None and until <= since:
        since, until = until, since + timedelta(seconds=1)
    created = TimeRange(since, until)
    cut = cursor_ranges(created, NOW, expected)
    assert 1 <= len(cut) <= MOST_CURSORS
    assert sum(moment in part for part in cut) == (moment in whole_seconds(created))


def test_a_small_range_takes_one_cursor() -> None:
    """The last page of each cursor may be nearly empty, so one cursor reads a few pages."""
    assert len(cursor_ranges(TimeRange(NOW - timedelta(days=30)), NOW, 1500)) == 1


def test_a_large_range_is_listed_by_several_cursors() -> None:
    """Many pages are read side by side. The last range has no end, so that it shows what is created meanwhile."""
    cut = cursor_ranges(TimeRange(NOW - timedelta(days=30)), NOW, 100_000)
    assert len(cut) == MOST_CURSORS
    assert cut[-1].until is None


def test_a_range_without_a_start_takes_one_cursor() -> None:
    """Nothing shows where to cut it."""
    assert cursor_ranges(TimeRange(None, NOW), NOW, 10**6) == (TimeRange(None, NOW),)


@pytest.mark.parametrize(
    ("per_second", "size"), [(0.01, 1), (0.5, 7), (5, 75), (12.5, 100), (1000, 100)]
)
def test_a_page_can_be_read_within_fifteen_seconds(per_second: float, size: int) -> None:
    """A page is as large as can be read in 15 s, with 1 to 100 intents."""
    assert retrieve_page_size(per_second) == size


@pytest.mark.parametrize(
    ("rows", "ratio"), [(0, 1.0), (10_000, 1.0), (1_000_000, 1.0), (1_000_000, 10.0)]
)
def test_joined_buckets_grow_with_the_table(rows: int, ratio: float) -> None:
    """The number of joined buckets is bounded, and with it the memory of a plan. A small table has small buckets."""
    most = joined_bucket_size(rows, ratio)
    assert most >= JOINED_INTENTS
    assert rows * ratio / most <= MOST_JOINED_BUCKETS + 1
