"""Which reads cover what is to be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.cursor_ranges import (
    MOST_CURSORS,
    cursor_ranges,
    retrieve_page_size,
    whole_seconds,
)
from reconciler.domain.planning.histogram import (
    JOINED_INTENTS,
    MOST_JOINED_BUCKETS,
    joined_bucket_size,
)

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
moments = st.datetimes(
    # Hypothesis wants its bounds without a zone
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2026, 3, 4),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(moments, st.none() | moments, st.integers(0, 10**7), moments)
def test_stretches_cover_a_range_without_gap_or_overlap(
    since: datetime, until: datetime | None, expected: int, moment: datetime
) -> None:
    """Every moment of the range lies in exactly one stretch, and none outside it in any but by a part of a second."""
    if until is not None and until <= since:
        since, until = until, since + timedelta(seconds=1)
    created = TimeRange(since, until)
    cut = cursor_ranges(created, NOW, expected)
    assert 1 <= len(cut) <= MOST_CURSORS
    assert sum(moment in stretch for stretch in cut) == (moment in whole_seconds(created))


def test_a_small_range_takes_one_cursor() -> None:
    """Each cursor costs a page that may be nearly empty: a few pages are read by one."""
    assert len(cursor_ranges(TimeRange(NOW - timedelta(days=30)), NOW, 1500)) == 1


def test_a_large_range_is_read_side_by_side() -> None:
    """Many pages fill the lane with several cursors, and the last one stays open to what is created meanwhile."""
    cut = cursor_ranges(TimeRange(NOW - timedelta(days=30)), NOW, 100_000)
    assert len(cut) == MOST_CURSORS
    assert cut[-1].until is None


def test_a_range_without_a_start_is_one_stretch() -> None:
    """There is nothing to divide."""
    assert cursor_ranges(TimeRange(None, NOW), NOW, 10**6) == (TimeRange(None, NOW),)


@pytest.mark.parametrize(
    ("per_second", "size"), [(0.01, 1), (0.5, 7), (5, 75), (12.5, 100), (1000, 100)]
)
def test_a_page_can_be_read_within_fifteen_seconds(per_second: float, size: int) -> None:
    """A page is never larger than can be read in 15 s, nor than 100, nor empty."""
    assert retrieve_page_size(per_second) == size


@pytest.mark.parametrize(
    ("rows", "ratio"), [(0, 1.0), (10_000, 1.0), (1_000_000, 1.0), (1_000_000, 10.0)]
)
def test_a_large_table_is_joined_into_no_more_buckets(rows: int, ratio: float) -> None:
    """Joined buckets grow with the table, so that what a plan keeps in memory does not; a small one is not coarsened."""
    most = joined_bucket_size(rows, ratio)
    assert most >= JOINED_INTENTS
    assert rows * ratio / most <= MOST_JOINED_BUCKETS + 1
