"""Which rows are counted near due ones, and that a plan from these counts is as good as one from all rows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from reconciler.domain.planning.due_clusters import (
    CountPlan,
    count_plan,
    gaps_between,
    histogram_of_due,
    wide_gap_rows,
)
from reconciler.domain.planning.histogram import (
    PAGE_SIZE,
    Bucket,
    Histogram,
    ListingModel,
    bucket_start,
    bucket_width,
    join_buckets,
)
from reconciler.domain.planning.plan import Budget, List, RequestRates, Retrieve, Step
from reconciler.domain.planning.planner import plan

START = datetime(2026, 11, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NO_MARGIN = timedelta(0)
RATES = RequestRates(25, 25, 100)
BUDGET = Budget(RATES, RATES, quota=10_000)


def planned_for(
    rows: list[datetime], due: list[datetime], margin: timedelta, ratio: float
) -> tuple[CountPlan, Histogram, int]:
    """What is counted of these rows, the histogram of it, and how many rows were counted."""
    wide = wide_gap_rows(ratio)
    held = [
        min(wide, max(0, bisect_left(rows, gap.until) - bisect_left(rows, gap.since)))
        for gap in gaps_between(due, margin)
    ]
    planned = count_plan(due, margin, held, ratio)
    counted = Counter(
        bucket_start(moment, planned.width)
        for moment in rows
        if any(part.since <= moment < part.until for part in planned.to_count)
    )
    return planned, histogram_of_due(planned, counted, ratio, 0), counted.total()


def complete_histogram(
    rows: list[datetime], due: list[datetime], margin: timedelta, ratio: float
) -> Histogram:
    """All rows from the first due one to the last, counted as the plan of a person's sweep counts them."""
    first, last = due[0] - margin - SECOND, due[-1] + margin + SECOND
    between = [moment for moment in rows if first <= moment <= last]
    width = bucket_width(last - first, len(between), ratio)
    all_rows = Counter(bucket_start(moment, width) for moment in between)
    all_due = Counter(bucket_start(moment, width) for moment in due)
    buckets = [
        Bucket(start, start + width, max(all_rows[start], all_due[start]), all_due[start])
        for start in sorted(all_rows | all_due)
    ]
    return Histogram(tuple(join_buckets(buckets, ratio)))


def test_rows_far_from_each_other_need_no_count() -> None:
    """Between two due rows with two hundred rows between them no list is worth its reads, so both are retrieved."""
    rows = [START + number * SECOND for number in range(1000)]
    due = [rows[100], rows[500], rows[900]]
    planned, histogram, counted = planned_for(rows, due, NO_MARGIN, 1.0)
    assert (planned.to_count, counted) == ((), 0)
    assert (histogram.due, len(planned.ranges)) == (3, 3)
    steps = plan(histogram, ListingModel(), BUDGET).steps
    assert all(isinstance(step, Retrieve) for step in steps)
    assert sum(step.due for step in steps) == 3


def test_neighbours_are_counted_and_listed() -> None:
    """Rows near each other are one cluster: a list shows them with one read."""
    rows = [START + number * MINUTE for number in range(2000)]
    due = rows[1000:1050]
    planned, histogram, counted = planned_for(rows, due, NO_MARGIN, 1.0)
    assert len(planned.ranges) == 1
    assert counted < 100
    (step,) = plan(histogram, ListingModel(), BUDGET).steps
    assert isinstance(step, List)
    assert (step.expected_reads, step.due) == (1, 50)


def test_the_margin_of_a_list_is_counted_on_both_sides() -> None:
    """A list is widened by the difference of the clocks, so the rows there belong to its price, and join clusters."""
    rows = [START + number * SECOND for number in range(1000)]
    due = [rows[300], rows[600]]
    apart, _, _ = planned_for(rows, due, NO_MARGIN, 1.0)
    assert len(apart.ranges) == 2
    joined, _, counted = planned_for(rows, due, MINUTE, 1.0)
    assert len(joined.ranges) == 1
    assert 420 <= counted <= 440


def test_with_more_intents_a_row_a_gap_is_wide_with_fewer_rows() -> None:
    """Ten intents for each row fill the pages of a list ten times as fast; a ratio below 1 counts as 1."""
    assert [wide_gap_rows(ratio) for ratio in (0.5, 1.0, 10.0)] == [200, 200, 20]


def test_due_rows_of_one_moment_have_an_empty_gap() -> None:
    """A table of dates has many rows of one time."""
    (gap,) = gaps_between([START, START], NO_MARGIN)
    assert gap.length == NO_MARGIN
    planned, histogram, _ = planned_for([START] * 5, [START, START], NO_MARGIN, 1.0)
    assert [(bucket.rows, bucket.due) for bucket in histogram.buckets] == [(5, 2)]
    assert planned.ranges[0].due == {START: 2}


def test_ranges_that_touch_become_one() -> None:
    """Many rows within a second separate two due rows, and both are in one bucket."""
    rows = [START + number * SECOND / 1000 for number in range(300)]
    planned, histogram, _ = planned_for(rows, [rows[0], rows[299]], NO_MARGIN, 1.0)
    assert len(planned.ranges) == 1
    assert (histogram.due, histogram.buckets[0].rows) == (2, 300)


def test_a_due_row_that_is_gone_still_counts() -> None:
    """A row may be deleted between the search and the count: the bucket then has the due row alone."""
    planned = count_plan([START, START + SECOND], NO_MARGIN, [0], 1.0)
    histogram = histogram_of_due(planned, {}, 1.0, 3)
    assert (histogram.due, histogram.undated) == (5, 3)
    assert all(bucket.rows == bucket.due for bucket in histogram.buckets)


def true_reads(
    steps: tuple[Step, ...], rows: list[datetime], margin: timedelta, ratio: float
) -> int:
    """What the steps of a plan cost, with intents as the rows say."""
    reads = 0
    for step in steps:
        if isinstance(step, Retrieve):
            reads += step.due
            continue
        since, until = step.created.since, step.created.until
        assert since is not None
        assert until is not None
        shown = bisect_left(rows, until) - bisect_left(rows, since)
        reads += max(1, math.ceil(shown * ratio / PAGE_SIZE))
    return reads


@pytest.mark.parametrize("ratio", [1.0, 10.0])
@pytest.mark.parametrize("margin", [NO_MARGIN, 5 * MINUTE])
def test_plans_are_as_good_as_from_all_counts(ratio: float, margin: timedelta) -> None:
    """Over tables with bursts and with due rows in groups and alone: the reads are within 3 % of a plan from all rows."""
    listing_model = ListingModel(ratio, -margin, margin)
    found = best = 0
    for seed in range(12):
        random = Random(seed)
        rows = sorted(
            START + random.random() ** random.choice((1, 3)) * 20 * HOUR for _ in range(2000)
        )
        at = random.sample(range(2000), 20)
        for _ in range(4):
            first = random.randrange(1900)
            at += range(first, first + random.randrange(2, 60), random.randrange(1, 4))
        due = [rows[number] for number in sorted(set(at))]

        _, histogram, _ = planned_for(rows, due, margin, ratio)
        assert histogram.due == len(due)
        steps = plan(histogram, listing_model, BUDGET).steps
        assert sum(step.due for step in steps) == len(due)
        found += true_reads(steps, rows, margin, ratio)
        whole = complete_histogram(rows, due, margin, ratio)
        best += true_reads(plan(whole, listing_model, BUDGET).steps, rows, margin, ratio)
    assert found <= 1.03 * best, (found, best)
