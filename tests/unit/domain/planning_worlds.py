"""Small worlds for the planner: rows and intents with times, the execution of a plan, and the true optimum."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Bucket, Histogram, ListingModel
from reconciler.domain.planning.plan import Budget, List, Plan, RequestRates, Retrieve, is_overrun

START = datetime(2026, 1, 5, tzinfo=UTC)
RATES = RequestRates(list=12.5, retrieve=12.5, everything=50)
LIMIT = RequestRates(list=25, retrieve=25, everything=100)


def budget(reads_left: int | None = None) -> Budget:
    """Half of the rates that Stripe documents."""
    return Budget(RATES, LIMIT, quota=1_000_000, reads_left=reads_left)


@dataclass(frozen=True)
class Row:
    """A row, the time of its intent at Stripe, and whether the row is due."""

    created: datetime
    intent: datetime
    due: bool


@dataclass(frozen=True)
class World:
    """Rows, and the times of the intents that have no row."""

    rows: tuple[Row, ...]
    strangers: tuple[datetime, ...] = ()

    @cached_property
    def due(self) -> frozenset[int]:
        return frozenset(number for number, row in enumerate(self.rows) if row.due)

    @cached_property
    def shown(self) -> list[tuple[datetime, int]]:
        """All intents in the order of Stripe's time: the time and the number of the row (-1 if there is no row)."""
        named = [(row.intent, number) for number, row in enumerate(self.rows)]
        return sorted([*named, *((stranger, -1) for stranger in self.strangers)])

    @cached_property
    def waiting(self) -> list[tuple[datetime, int]]:
        """The due rows in the order of the merchant's time: the time and the number."""
        return sorted((self.rows[number].created, number) for number in self.due)

    def due_in(self, rows: TimeRange) -> set[int]:
        """The numbers of the due rows of a range, by the merchant's clock."""
        return {number for _, number in _within(self.waiting, rows)}


def _within(moments: list[tuple[datetime, int]], wanted: TimeRange) -> list[tuple[datetime, int]]:
    since = 0 if wanted.since is None else bisect_left(moments, (wanted.since, -2))
    until = len(moments) if wanted.until is None else bisect_left(moments, (wanted.until, -2))
    return moments[since:until]


@dataclass(frozen=True)
class Executed:
    """What a plan did: its reads, the numbers of the due rows that were read, and those that a list did not show."""

    reads: int
    asked: frozenset[int]
    unmet: frozenset[int]


def whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def world(
    seed: int,
    counts: Sequence[tuple[int, int]],
    width: timedelta,
    listing_model: ListingModel = ListingModel(),  # noqa: B008
    strangers: int = 0,
) -> World:
    """For each bucket (rows, due rows) at random times in it, and intents between earliest and latest after their rows."""
    chance = random.Random(seed)
    rows: list[Row] = []
    span = width * len(counts)
    for number, (total, due) in enumerate(counts):
        for index in range(total):
            created = START + width * number + chance.random() * width
            off = listing_model.earliest + chance.random() * (
                listing_model.latest - listing_model.earliest
            )
            rows.append(Row(created, whole(created + off), due=index < due))
    middle = (listing_model.earliest + listing_model.latest) / 2
    others = (whole(START + chance.random() * span + middle) for _ in range(strangers))
    return World(tuple(rows), tuple(others))


def counted(made: World, width: timedelta, number: int) -> Histogram:
    """The histogram of a world. Empty buckets are left out, as SQL leaves them out."""
    rows, due = [0] * number, [0] * number
    for row in made.rows:
        at = (row.created - START) // width
        rows[at] += 1
        due[at] += row.due
    return Histogram(
        tuple(
            Bucket(START + width * at, START + width * (at + 1), rows[at], due[at])
            for at in range(number)
            if rows[at]
        )
    )


def execute(plan: Plan, made: World, *, may_switch: bool = False) -> Executed:
    """Carry out a plan and count every read. Rows that a list should have shown but did not are retrieved."""
    reads = 0
    asked: set[int] = set()
    wanted: set[int] = set()
    to_be_shown: set[int] = set()
    for step in plan.steps:
        match step:
            case List():
                cost, met = _list(step, made, may_switch=may_switch)
                reads += cost
                asked |= met & made.due
                to_be_shown |= made.due_in(step.rows)
            case Retrieve(rows):
                wanted |= set() if rows is None else made.due_in(rows)
    wanted |= to_be_shown
    unmet = wanted - asked
    return Executed(reads + len(unmet), frozenset(asked | wanted), frozenset(unmet & to_be_shown))


def _list(step: List, made: World, *, may_switch: bool) -> tuple[int, set[int]]:
    """Read a list page by page, newest first, until it ends or is overrun."""
    shown = _within(made.shown, step.created)[::-1]
    due = made.due_in(step.rows)
    met: set[int] = set()
    reads = 0
    while reads < max(1, -(-len(shown) // 100)):
        if may_switch and is_overrun(step, reads, len(due - met)):
            break
        met |= {number for _, number in shown[100 * reads : 100 * reads + 100]}
        reads += 1
    return reads, met


def optimum_by_buckets(made: World, width: timedelta, number: int) -> int:
    """The fewest reads over all subsets of listed buckets, counted on the true times of a world."""
    intents = Counter((moment - START) // width for moment, _ in made.shown)
    due = Counter((moment - START) // width for moment, _ in made.waiting)
    return fewest_reads([intents[at] for at in range(number)], [due[at] for at in range(number)])


def fewest_reads(intents: Sequence[int], due: Sequence[int]) -> int:
    """The fewest reads over all subsets of listed buckets, by trying each of them."""

    def best(at: int, listed: int | None) -> int:
        """The fewest reads from bucket ``at`` on, after a list with this many intents (None: no list is open)."""
        list_ends = 0 if listed is None else max(1, -(-listed // 100))
        if at == len(due):
            return list_ends
        retrieved = list_ends + due[at] + best(at + 1, None)
        return min(retrieved, best(at + 1, (listed or 0) + intents[at]))

    return best(0, None)


def optimum_by_rows(made: World) -> int:
    """The fewest reads if a list may begin and end at any row. Only for worlds in which both clocks agree."""
    outside = 0  # the fewest reads with no page open
    # the same for each number of free places on the page that is open
    slots = [len(made.rows)] * 100
    for row in sorted(made.rows, key=lambda row: row.created):
        done = min(outside, *slots)
        slots = [*slots[1:], done + 1]
        outside = done + row.due
    return min(outside, *slots)
