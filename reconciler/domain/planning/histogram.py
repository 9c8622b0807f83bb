"""The merchant's rows counted by time, in buckets: all that a plan needs to know of them, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

PAGE_SIZE: Final = 100
"""The most objects in one page of a Stripe list."""
BUCKET_INTENTS: Final = 4
"""The intents in an average bucket of good width. A list begins and ends at the edge of a bucket, so it reads half a
bucket too much at each end. Measured over many densities, plans with 4 intents in a bucket are within 5 % of the best
plan without buckets; with 25 intents they are within 15 %."""
JOINED_INTENTS: Final = 100
"""The most intents in a joined bucket in which much is due. A list covers such buckets wherever their edges are."""
MOST_JOINED_BUCKETS: Final = 1000
"""About how many joined buckets remain of a table in which much is due everywhere. If it has very many rows, its joined
buckets are larger, so that the memory of a plan does not grow with the table."""
MUCH_DUE: Final = 0.2
"""Much is due in a bucket if this share of its rows is due."""
MOST_GROUPS: Final = 200_000
"""How many groups a database counts and sends in about a second. They are joined as they arrive, and never all kept."""
WIDTHS: Final = (
    *(
        timedelta(seconds=number * unit)
        for unit in (1, 60, 3600)
        for number in (1, 2, 5, 10, 15, 30)
    ),
    timedelta(days=3),
    timedelta(days=7),
)
"""The possible widths of a bucket: 1, 2, 5, 10, 15 and 30 seconds, minutes and hours; 3 and 7 days."""
_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The rows created from ``start`` on and before ``end``, by the merchant's clock.

    ``rows`` are those that name an intent, settled ones included. ``due`` of them are to be read.
    """

    start: datetime
    end: datetime
    rows: int
    due: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Buckets in the order of time. Between two of them may be a gap in which no row was created.

    ``undated`` is the number of due rows without a time, which can only be retrieved. Raises ValueError for buckets that
    overlap or are not in order, and for impossible counts.
    """

    buckets: tuple[Bucket, ...]
    undated: int = 0

    def __post_init__(self) -> None:
        for bucket in self.buckets:
            if bucket.start >= bucket.end or not 0 <= bucket.due <= bucket.rows:
                raise ValueError(
                    f"this bucket is not valid (start < end and 0 <= due <= rows): {bucket}"
                )
        for one, other in pairwise(self.buckets):
            if one.end > other.start:
                raise ValueError(f"these buckets overlap, or are not in order: {one}, {other}")

    @property
    def due(self) -> int:
        """The number of all due rows."""
        return self.undated + sum(bucket.due for bucket in self.buckets)


@dataclass(frozen=True, slots=True)
class ListingModel:
    """What past sweeps have shown of how rows and intents belong together.

    An intent is created between ``earliest`` and ``latest`` after its row; either may be negative. A constant difference
    of the clocks only shifts what is listed; the difference between the two widens it. ``ratio`` is the number of
    intents at Stripe for each row; below 1 it counts as 1. ``unmet`` is the share of due rows (0 to 1) that a list of
    their time did not show, so that they had to be retrieved.
    """

    ratio: float = 1.0
    earliest: timedelta = timedelta(0)
    latest: timedelta = timedelta(0)
    unmet: float = 0.0

    def __post_init__(self) -> None:
        if self.earliest > self.latest or not self.ratio > 0 or not 0 <= self.unmet <= 1:
            raise ValueError(
                f"this model is not valid (earliest <= latest, ratio > 0, 0 <= unmet <= 1): {self}"
            )


def bucket_width(span: timedelta, rows: int, ratio: float = 1.0) -> timedelta:
    """The width for the buckets in which the database counts (``date_bin``): the widest one that is good.

    A good width puts about four intents into an average bucket and makes at most ``MOST_GROUPS`` groups. For 30 days it
    is an hour up to 2,800 rows, a minute for 170,000 and 15 seconds for a million. ``join_buckets`` joins the groups.
    """
    intents_per_second = rows * max(1.0, ratio) / max(1.0, span.total_seconds())
    fine_enough = [
        width for width in WIDTHS if width.total_seconds() * intents_per_second <= BUCKET_INTENTS
    ]
    few_enough = [width for width in WIDTHS if span / width <= MOST_GROUPS]
    # the number of groups is a hard limit, so it wins over the fineness
    return max(
        fine_enough[-1] if fine_enough else WIDTHS[0],
        few_enough[0] if few_enough else WIDTHS[-1],
    )


def bucket_start(moment: datetime, width: timedelta) -> datetime:
    """The start of the bucket that a moment belongs to: buckets are counted from the first moment of 1970."""
    return moment - (moment - _ORIGIN) % width


def joined_bucket_size(rows: int, ratio: float = 1.0) -> int:
    """The most intents in a joined bucket, for a table with this many rows."""
    return max(JOINED_INTENTS, int(rows * max(1.0, ratio)) // MOST_JOINED_BUCKETS)


def join_buckets(
    buckets: Iterable[Bucket], ratio: float = 1.0, most: int = JOINED_INTENTS
) -> Iterator[Bucket]:
    """The same counts in fewer buckets, with edges only at times at which a plan may begin or end a list.

    Neighbours without a due row become one bucket. Touching buckets in which much is due are joined up to ``most``
    intents (see ``joined_bucket_size``). At most two buckets remain for each due row.
    """
    # one bucket at a time, because the groups of a large table are never all kept
    before: Bucket | None = None
    for bucket in buckets:
        if before is None:
            before = bucket
        elif _can_be_joined(before, bucket, ratio, most):
            rows, due = before.rows + bucket.rows, before.due + bucket.due
            before = Bucket(before.start, bucket.end, rows, due)
        else:
            yield before
            before = bucket
    if before is not None:
        yield before


def _can_be_joined(one: Bucket, other: Bucket, ratio: float, most: int) -> bool:
    if not one.due and not other.due:
        return True
    # where little is due, an edge more lets a list end right behind a due row
    much_due = all(bucket.due > MUCH_DUE * bucket.rows for bucket in (one, other))
    is_small = (one.rows + other.rows) * max(1.0, ratio) <= most
    return much_due and is_small and one.end == other.start
