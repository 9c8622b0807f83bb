"""Which reads cheapest_runs what is to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import PAGE_SIZE, Histogram, ListingCosts, ListingModel
from reconciler.domain.planning.list_or_retrieve import (
    BucketRun,
    affordable_runs,
    cheapest_runs,
    pages,
    reads,
)
from reconciler.domain.planning.plan import Budget, List, Plan, RequestRates, Retrieve, Step

__all__ = ["PAGE_SIZE", "cursors_of", "plan", "retrieve_page_size", "stretches", "whole_seconds"]

LONGEST_PAGE_SECONDS: Final = 15.0
"""A page takes no longer to read than this: what is recorded must not be old."""
PAGES_A_CURSOR: Final = 8
MOST_CURSORS: Final = 8


def whole_seconds(created: TimeRange) -> TimeRange:
    """The same range widened to whole seconds, in which Stripe counts."""
    since, until = created.since, created.until
    if since is not None:
        since = since.replace(microsecond=0)
    if until is not None and until.microsecond:
        until = until.replace(microsecond=0) + timedelta(seconds=1)
    return TimeRange(since, until)


def cursors_of(expected: int) -> int:
    """How many cursors list so many intents side by side."""
    return max(1, min(MOST_CURSORS, expected // (PAGE_SIZE * PAGES_A_CURSOR)))


def stretches(created: TimeRange, now: datetime, expected: int) -> tuple[TimeRange, ...]:
    """A range cut into stretches, each listed by a cursor of its own, side by side.

    ``expected`` is about how many intents the range holds. The stretches touch and do not overlap; the last one has
    the range's own end, which may be open.
    """
    whole = whole_seconds(created)
    until = whole.until or now
    if whole.since is None:
        return (whole,)
    cursors = cursors_of(expected)
    width = int((until - whole.since).total_seconds()) // cursors
    if width < 1:
        return (whole,)
    edges = [whole.since + timedelta(seconds=width * n) for n in range(cursors)]
    inner = [TimeRange(one, other) for one, other in pairwise(edges)]
    return (*inner, TimeRange(edges[-1], whole.until))


def retrieve_page_size(reads_per_second: float) -> int:
    """How many single retrieves make a page, so that it is read in time."""
    return max(1, min(PAGE_SIZE, int(reads_per_second * LONGEST_PAGE_SECONDS)))


def plan(
    histogram: Histogram,
    listing_model: ListingModel,
    budget: Budget,
    most_cursors: int = MOST_CURSORS,
) -> Plan:
    """The steps that cheapest_runs all due rows of a histogram at the fewest expected reads.

    The stretches to list are the optimum over all choices of buckets (see ``covering.cover``); the long ones are then
    cut so that about ``most_cursors`` run side by side, each at the price of up to one page more. What
    ``budget.reads_left`` does not pay for is in ``left_out``.
    """
    costs = ListingCosts(histogram, listing_model)
    runs = cheapest_runs(costs)
    left: tuple[BucketRun, ...] = ()
    allowed = budget.reads_left
    if allowed is not None:
        runs, left = affordable_runs(runs, costs, max(0, allowed))
        allowed -= sum(reads(run, costs) for run in runs)
    kept = list(_steps(runs, costs, _cut(runs, costs, most_cursors, allowed)))
    left_out = list(_steps(left, costs, [1] * len(left)))
    if histogram.undated:
        # where reads are short, rows without a time come last: they are old imports more often than not
        fits = allowed is None or (not left and allowed >= histogram.undated)
        (kept if fits else left_out).append(Retrieve(None, histogram.undated))
    unmet = sum(costs.unmet(run.first, run.last) for run in runs if run.listed)
    return _priced(tuple(kept), tuple(left_out), unmet, histogram, budget)


def _cut(
    runs: Iterable[BucketRun], costs: ListingCosts, most_cursors: int, reads_left: int | None
) -> list[int]:
    """Into how many cursors each run is cut: long ones only, so that none is much longer than its fair share."""
    lengths = [pages(costs.intents(run.first, run.last)) if run.listed else 0 for run in runs]
    fair = max(PAGES_A_CURSOR, -(-sum(lengths) // max(1, most_cursors)))
    found: list[int] = []
    for length in lengths:
        cursors = max(1, length // fair)
        if reads_left is not None:
            cursors = min(cursors, 1 + reads_left)
            reads_left -= cursors - 1
        found.append(cursors)
    return found


def _steps(
    runs: Iterable[BucketRun], costs: ListingCosts, cursors: Iterable[int]
) -> Iterator[Step]:
    """Lists first, in the order of the runs; then what is retrieved, newest first."""
    retrieved: list[BucketRun] = []
    for run, count in zip(runs, cursors, strict=True):
        if run.listed:
            yield from _lists(run, costs, count)
        else:
            retrieved.append(run)
    for run in sorted(retrieved, key=lambda run: -run.last):
        rows = TimeRange(costs.buckets[run.first].start, costs.buckets[run.last].end)
        yield Retrieve(rows, costs.due(run.first, run.last))


def _lists(run: BucketRun, costs: ListingCosts, cursors: int) -> Iterator[List]:
    """One list for each cursor, newest first. They touch in Stripe's time; only the outer ends are widened."""
    start, end = costs.buckets[run.first].start, costs.buckets[run.last].end
    edges = [start, *_edges(run, costs, cursors), end]
    for since, until in reversed(list(pairwise(edges))):
        asked_since = since - costs.margin if since == start else since
        asked_until = until + costs.margin if until == end else until
        intents = costs.intents_before(asked_until) - costs.intents_before(asked_since)
        yield List(
            created=whole_seconds(
                TimeRange(asked_since + costs.middle, asked_until + costs.middle)
            ),
            rows=TimeRange(since, until),
            expected_reads=pages(intents),
            expected_intents=intents,
            due=costs.due_before(until) - costs.due_before(since),
        )


def _edges(run: BucketRun, costs: ListingCosts, cursors: int) -> list[datetime]:
    """Where a run is cut so that its cursors have about the same number of intents: whole seconds at Stripe."""
    start, end = costs.buckets[run.first].start, costs.buckets[run.last].end
    before = costs.intents_before(start - costs.margin)
    intents = costs.intents(run.first, run.last)
    origin = whole_seconds(TimeRange(start + costs.middle)).since or start
    found: list[datetime] = []
    for number in range(1, cursors):
        target = before + intents * number // cursors
        low, high = 1, int((end - start).total_seconds())
        while low < high:
            middle = (low + high) // 2
            moment = origin + timedelta(seconds=middle) - costs.middle
            low, high = (
                (middle + 1, high) if costs.intents_before(moment) < target else (low, middle)
            )
        stop_token = origin + timedelta(seconds=low) - costs.middle
        if (found[-1] if found else start) < stop_token < end:
            found.append(stop_token)
    return found


def _priced(
    steps: tuple[Step, ...],
    left_out: tuple[Step, ...],
    unmet: int,
    histogram: Histogram,
    budget: Budget,
) -> Plan:
    lists = [step.expected_reads for step in steps if isinstance(step, List)]
    retrieves = unmet + sum(step.expected_reads for step in steps if isinstance(step, Retrieve))

    def seconds(rates: RequestRates) -> float:
        return max(
            sum(lists) / rates.list,
            retrieves / rates.retrieve,
            (sum(lists) + retrieves) / rates.everything,
            max(lists, default=0) * budget.read_seconds,
        )

    return Plan(
        steps=steps,
        left_out=left_out,
        unmet=unmet,
        reads=sum(lists) + retrieves,
        reads_one_by_one=histogram.due,
        seconds=seconds(budget.rates),
        seconds_at_limit=seconds(budget.limit),
        quota_share=(sum(lists) + retrieves) / budget.quota,
    )
