"""The merchant's payments counted by time: all that a plan needs to know of them, however many there are."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

PAGE_SIZE: Final = 100
"""The most objects that Stripe gives in one page of a list."""
FINE: Final = 4
"""Intents in a good bucket. Stretches begin and end at a bucket's edge, so half a bucket too much at each end: measured
over many densities, plans are then within 5 % of the best that can be done without buckets; with 25 it is 15 %."""
COARSE: Final = 100
"""The most intents in a join_buckets bucket where much is due: the stretch goes on there whatever the edges are."""
MOST_COARSE: Final = 1000
"""Where there are very many rows the join_buckets buckets are larger, so that a plan's memory does not grow with them: about so
many remain of what is dense throughout."""
DENSE: Final = 0.2
"""Much is due from this share of the rows on."""
MOST_GROUPS: Final = 200_000
"""So many groups a database counts and sends in about a second; they are join_buckets as they come and never all kept."""
WIDTHS: Final = (
    *(
        timedelta(seconds=number * unit)
        for unit in (1, 60, 3600)
        for number in (1, 2, 5, 10, 15, 30)
    ),
    timedelta(days=3),
    timedelta(days=7),
)
"""What a bucket may be wide: 1, 2, 5, 10, 15 and 30 seconds, minutes and hours; 3 and 7 days."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The rows created (local time) from ``start`` up to and without ``end``.

    ``rows`` are those that name an intent, settled ones too; ``due`` of them are to be asked about.
    """

    start: datetime
    end: datetime
    rows: int
    due: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Buckets in order of time, touching or with gaps in which there is no row.

    ``undated`` are due rows without a time: they can only be retrieved. Raises ValueError for buckets that overlap or
    go backwards and for counts that cannot be.
    """

    buckets: tuple[Bucket, ...]
    undated: int = 0

    def __post_init__(self) -> None:
        for bucket in self.buckets:
            if bucket.start >= bucket.end or not 0 <= bucket.due <= bucket.rows:
                raise ValueError(
                    f"a bucket ends after it starts and has 0 <= due <= rows: {bucket}"
                )
        for one, other in pairwise(self.buckets):
            if one.end > other.start:
                raise ValueError(f"buckets are in order and do not overlap: {one}, {other}")

    @property
    def due(self) -> int:
        """All rows that are to be asked about."""
        return self.undated + sum(bucket.due for bucket in self.buckets)


@dataclass(frozen=True, slots=True)
class ListingModel:
    """What past sweeps have shown of how rows and intents belong together.

    An intent's created is its row's plus something between ``earliest`` and ``latest`` (either may be negative): a
    clock that is two hours off only shifts what is listed, and the difference between the two is what widens it.
    ``ratio`` is Stripe's intents for each row, below 1 taken as 1. ``unmet`` is the share of due rows (0 to 1) that a
    list of their time did not show and that had to be retrieved.
    """

    ratio: float = 1.0
    earliest: timedelta = timedelta(0)
    latest: timedelta = timedelta(0)
    unmet: float = 0.0

    def __post_init__(self) -> None:
        if self.earliest > self.latest or not self.ratio > 0 or not 0 <= self.unmet <= 1:
            raise ValueError(f"earliest <= latest, ratio > 0 and 0 <= unmet <= 1: {self}")


def bucket_width(span: timedelta, rows: int, ratio: float = 1.0) -> timedelta:
    """How wide SQL's fixed buckets (``date_bin``) should be for so many rows over such a span: the widest good width.

    Good is about four intents in an average bucket, and never more than ``MOST_GROUPS`` groups: for 30 days an hour suits
    up to 2,800 rows, a minute 170,000, 15 seconds a million. Join what comes with ``join_buckets``.
    """
    a_second = rows * max(1.0, ratio) / max(1.0, span.total_seconds())
    good = [width for width in WIDTHS if width.total_seconds() * a_second <= FINE]
    few = [width for width in WIDTHS if span / width <= MOST_GROUPS]
    return max(good[-1] if good else WIDTHS[0], few[0] if few else WIDTHS[-1])


def joined_bucket_size(rows: int, ratio: float = 1.0) -> int:
    """The most intents in a join_buckets bucket, for so many rows in all."""
    return max(COARSE, int(rows * max(1.0, ratio)) // MOST_COARSE)


def join_buckets(
    buckets: Iterable[Bucket], ratio: float = 1.0, most: int = COARSE
) -> Iterator[Bucket]:
    """The same counts in fewer buckets, with edges only where a plan may want one.

    Neighbours without a due row become one, since no stretch begins or ends there; touching ones in which much is due
    are join_buckets up to ``most`` intents (see ``joined_bucket_size``). At most two buckets for each due row remain, whatever came in.
    """
    before: Bucket | None = None
    for bucket in buckets:
        if before is not None and _belong_together(before, bucket, ratio, most):
            rows, due = before.rows + bucket.rows, before.due + bucket.due
            before = Bucket(before.start, bucket.end, rows, due)
            continue
        if before is not None:
            yield before
        before = bucket
    if before is not None:
        yield before


def _belong_together(one: Bucket, other: Bucket, ratio: float, most: int) -> bool:
    if not one.due and not other.due:
        return True
    dense = all(bucket.due > DENSE * bucket.rows for bucket in (one, other))
    small = (one.rows + other.rows) * max(1.0, ratio) <= most
    return dense and small and one.end == other.start


class ListingCosts:
    """A histogram with what is expected of Stripe's side, as sums between any two buckets (indexes, both included)."""

    def __init__(self, histogram: Histogram, listing_model: ListingModel) -> None:
        self.buckets = histogram.buckets
        self.middle = (listing_model.earliest + listing_model.latest) / 2
        """How far intents are shifted from their rows."""
        self.margin = (listing_model.latest - listing_model.earliest) / 2
        """By how much a listed stretch is widened at either end, besides the shift."""
        self._ratio = max(1.0, listing_model.ratio)
        exact = self._ratio == 1 and not self.margin and not listing_model.unmet
        self.slack = 0 if exact else PAGE_SIZE // 2
        """Intents to allow for in each stretch: where counts are not exact, its last page is half full on average."""
        self._starts = [bucket.start for bucket in self.buckets]
        self._rows = [0, *accumulate(bucket.rows for bucket in self.buckets)]
        self._due = [0, *accumulate(bucket.due for bucket in self.buckets)]
        self._unmet = [math.ceil(listing_model.unmet * due) for due in self._due]

    def intents_before(self, moment: datetime) -> int:
        """Expected intents of rows created before a local moment, from the first bucket on.

        Within a bucket evenly spread. Rounded here once, so that sums over any stretches add up.
        """
        rows = self._before(moment, self._rows)
        return math.floor(rows * self._ratio + 0.5)

    def due_before(self, moment: datetime) -> int:
        """Expected due rows created before a local moment."""
        return math.floor(self._before(moment, self._due) + 0.5)

    def _before(self, moment: datetime, sums: list[int]) -> float:
        at = bisect_right(self._starts, moment) - 1
        if at < 0:
            return 0
        bucket = self.buckets[at]
        if moment >= bucket.end:
            return sums[at + 1]
        share = (moment - bucket.start) / (bucket.end - bucket.start)
        return sums[at] + share * (sums[at + 1] - sums[at])

    def intents(self, first: int, last: int) -> int:
        """Intents in the widened stretch that lists these buckets."""
        since, until = self.buckets[first].start, self.buckets[last].end
        return self.intents_before(until + self.margin) - self.intents_before(since - self.margin)

    def due(self, first: int, last: int) -> int:
        """Due rows in these buckets."""
        return self._due[last + 1] - self._due[first]

    def unmet(self, first: int, last: int) -> int:
        """Of these due rows, those that a list is expected not to show."""
        return self._unmet[last + 1] - self._unmet[first]
