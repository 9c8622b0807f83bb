"""Due rows in clusters: which rows near them are counted, so that a plan costs what is due and not what the table holds.

A list that covers two due rows with two pages of intents between them is never cheaper than two lists: it reads those
pages more, and saves at most as many. So the rows of such a gap need not be counted.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.planning.histogram import (
    PAGE_SIZE,
    Bucket,
    Histogram,
    bucket_start,
    bucket_width,
    join_buckets,
    joined_bucket_size,
)

NOTHING: Final = timedelta(0)
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """The time between two due rows that follow each other, without the ``margin`` of a list at either end.

    It is empty if ``since`` is not before ``until``.
    """

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is, 0 if it is empty."""
        return max(NOTHING, self.until - self.since)


@dataclass(frozen=True, slots=True)
class CountedRange:
    """Whole buckets around due rows. ``due`` is the number of due rows by the start of their bucket.

    ``is_counted`` is whether the other rows of the range matter: a list for one due row costs as much as its retrieve.
    """

    since: datetime
    until: datetime
    due: Mapping[datetime, int]

    @property
    def is_counted(self) -> bool:
        """Whether two due rows or more are in it."""
        return sum(self.due.values()) > 1


@dataclass(frozen=True, slots=True)
class CountPlan:
    """What is to be counted: the ranges, in order and apart, in buckets of ``width``. ``rows`` is about how many rows."""

    ranges: tuple[CountedRange, ...]
    width: timedelta
    rows: int

    @property
    def to_count(self) -> tuple[CountedRange, ...]:
        """The ranges whose rows are to be counted."""
        return tuple(part for part in self.ranges if part.is_counted)


def gaps_between(times: Sequence[datetime], margin: timedelta) -> tuple[Gap, ...]:
    """The gaps between due rows, by their times in order; one fewer than there are times."""
    return tuple(Gap(one + margin, other - margin) for one, other in pairwise(times))


def wide_gap_rows(ratio: float) -> int:
    """With so many rows in a gap, no list covers it. ``ratio`` is Stripe's intents for each row."""
    return math.ceil(2 * PAGE_SIZE / max(1.0, ratio))


def count_plan(
    times: Sequence[datetime], margin: timedelta, rows_in_gaps: Sequence[int], ratio: float
) -> CountPlan:
    """Where rows are counted for due rows of these times, in order and at least one.

    ``rows_in_gaps`` is what each of ``gaps_between`` holds, counted up to ``wide_gap_rows``.
    """
    wide = wide_gap_rows(ratio)
    clusters = [[times[0]]]
    rows, length = len(times), NOTHING
    for moment, gap, held in zip(times[1:], gaps_between(times, margin), rows_in_gaps, strict=True):
        if held >= wide:
            clusters.append([moment])
            continue
        clusters[-1].append(moment)
        rows, length = rows + held, length + gap.length

    # the density between the due rows says how fine the buckets have to be
    spans = [cluster[-1] - cluster[0] + 2 * margin for cluster in clusters if len(cluster) > 1]
    span = sum(spans, NOTHING)
    expected = round(rows * max(1.0, span / max(SECOND, length)))
    width = bucket_width(span, expected, ratio)
    return CountPlan(_ranges(clusters, margin, width), width, expected)


def _ranges(
    clusters: Iterable[Sequence[datetime]], margin: timedelta, width: timedelta
) -> tuple[CountedRange, ...]:
    """Whole buckets around each cluster; ranges that touch become one."""
    ranges: list[CountedRange] = []
    for cluster in clusters:
        beyond = margin if len(cluster) > 1 else NOTHING
        since = bucket_start(cluster[0] - beyond, width)
        until = bucket_start(cluster[-1] + beyond, width) + width
        due = Counter(bucket_start(moment, width) for moment in cluster)
        if ranges and since <= ranges[-1].until:
            before = ranges.pop()
            since, until = before.since, max(before.until, until)
            due = due + Counter(before.due)
        ranges.append(CountedRange(since, until, due))
    return tuple(ranges)


def histogram_of_due(
    planned: CountPlan, counted: Mapping[datetime, int], ratio: float, undated: int
) -> Histogram:
    """The histogram of a plan whose rows were ``counted``, by the start of their bucket.

    ``undated`` is the number of due rows without a time. A gap that was not counted has twice the rows that make it
    wide, so that no list covers it.
    """
    size = joined_bucket_size(planned.rows, ratio)
    starts = sorted(counted.keys() | {start for part in planned.ranges for start in part.due})
    buckets: list[Bucket] = []
    for part in planned.ranges:
        if buckets and buckets[-1].end < part.since:
            buckets.append(Bucket(buckets[-1].end, part.since, 2 * wide_gap_rows(ratio), 0))
        of_part = starts[bisect_left(starts, part.since) : bisect_left(starts, part.until)]
        buckets.extend(join_buckets(_buckets(of_part, part, counted, planned.width), ratio, size))
    return Histogram(tuple(buckets), undated)


def _buckets(
    starts: Iterable[datetime],
    part: CountedRange,
    counted: Mapping[datetime, int],
    width: timedelta,
) -> Iterable[Bucket]:
    for start in starts:
        due = part.due.get(start, 0)
        # a row may be gone since it was found to be due
        yield Bucket(start, start + width, max(counted.get(start, 0), due), due)
