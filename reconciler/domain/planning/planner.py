"""The planner: which reads cover the due rows, split into lists with cursors and single retrieves.

``list_or_retrieve`` chooses between the two; this module turns the choice into the steps of a plan and prices them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.cursor_ranges import MOST_CURSORS, PAGES_PER_CURSOR, whole_seconds
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.domain.planning.list_or_retrieve import (
    BucketRun,
    affordable_runs,
    cheapest_runs,
    pages,
    reads,
)
from reconciler.domain.planning.listing_costs import ListingCosts
from reconciler.domain.planning.plan import Budget, List, Plan, RequestRates, Retrieve, Step


def plan(
    histogram: Histogram,
    listing_model: ListingModel,
    budget: Budget,
    most_cursors: int = MOST_CURSORS,
) -> Plan:
    """The steps that cover all due rows of a histogram with the fewest expected reads.

    The lists are the optimum over all choices of buckets. Long lists are then cut so that about ``most_cursors`` cursors
    run side by side; each cut costs up to one page more. What ``budget.reads_left`` does not pay for is in ``left_out``.
    """
    costs = ListingCosts(histogram, listing_model)
    runs = cheapest_runs(costs)
    left: tuple[BucketRun, ...] = ()
    allowed = budget.reads_left
    if allowed is not None:
        runs, left = affordable_runs(runs, costs, max(0, allowed))
        allowed -= sum(reads(run, costs) for run in runs)

    kept = list(_steps(runs, costs, _cursors_of_runs(runs, costs, most_cursors, allowed)))
    left_out = list(_steps(left, costs, [1] * len(left)))
    if histogram.undated:
        # rows without a time are mostly old imports, so they come last if reads run short
        is_affordable = allowed is None or (not left and allowed >= histogram.undated)
        (kept if is_affordable else left_out).append(Retrieve(None, histogram.undated))
    unmet = sum(costs.unmet(run.first, run.last) for run in runs if run.listed)
    return _priced(tuple(kept), tuple(left_out), unmet, histogram, budget)


def _cursors_of_runs(
    runs: Iterable[BucketRun], costs: ListingCosts, most_cursors: int, reads_left: int | None
) -> list[int]:
    """Into how many cursors each run is cut: only long runs, so that no cursor is much longer than the others."""
    lengths = [pages(costs.intents(run.first, run.last)) if run.listed else 0 for run in runs]
    # a cursor of a few pages is not worth a cut
    fair_length = max(PAGES_PER_CURSOR, -(-sum(lengths) // max(1, most_cursors)))
    found: list[int] = []
    for length in lengths:
        cursors = max(1, length // fair_length)
        if reads_left is not None:
            # each cut may cost a page more, and the reads left pay for that too
            cursors = min(cursors, 1 + reads_left)
            reads_left -= cursors - 1
        found.append(cursors)
    return found


def _steps(
    runs: Iterable[BucketRun], costs: ListingCosts, cursors: Iterable[int]
) -> Iterator[Step]:
    """The lists in the order of the runs, then the retrieves, newest first."""
    retrieved: list[BucketRun] = []
    for run, count in zip(runs, cursors, strict=True):
        if run.listed:
            yield from _lists(run, costs, count)
        else:
            retrieved.append(run)

    # new payments are the most likely to have changed, so they are read first
    for run in sorted(retrieved, key=lambda run: -run.last):
        rows = TimeRange(costs.buckets[run.first].start, costs.buckets[run.last].end)
        yield Retrieve(rows, costs.due(run.first, run.last))


def _lists(run: BucketRun, costs: ListingCosts, cursors: int) -> Iterator[List]:
    """One list for each cursor, newest first. They touch in Stripe's time, and only the outer ends are widened."""
    # between two cursors nothing is widened, because the neighbour shows what lies beyond the edge
    start, end = costs.buckets[run.first].start, costs.buckets[run.last].end
    edges = [start, *_cursor_edges(run, costs, cursors), end]
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


def _cursor_edges(run: BucketRun, costs: ListingCosts, cursors: int) -> list[datetime]:
    """Where a run is cut so that its cursors have about the same number of intents.

    The edges are by the merchant's clock, and whole seconds at Stripe.
    """
    start, end = costs.buckets[run.first].start, costs.buckets[run.last].end
    before = costs.intents_before(start - costs.margin)
    intents = costs.intents(run.first, run.last)
    origin = whole_seconds(TimeRange(start + costs.middle)).since or start

    edges: list[datetime] = []
    for number in range(1, cursors):
        target = before + intents * number // cursors
        # a binary search for the first second that has the target before it
        low, high = 1, int((end - start).total_seconds())
        while low < high:
            middle = (low + high) // 2
            moment = origin + timedelta(seconds=middle) - costs.middle
            if costs.intents_before(moment) < target:
                low = middle + 1
            else:
                high = middle
        edge = origin + timedelta(seconds=low) - costs.middle
        if (edges[-1] if edges else start) < edge < end:
            edges.append(edge)
    return edges


def _priced(
    steps: tuple[Step, ...],
    left_out: tuple[Step, ...],
    unmet: int,
    histogram: Histogram,
    budget: Budget,
) -> Plan:
    lists = [step.expected_reads for step in steps if isinstance(step, List)]
    retrieves = unmet + sum(step.expected_reads for step in steps if isinstance(step, Retrieve))
    total = sum(lists) + retrieves

    def seconds(rates: RequestRates) -> float:
        # lists and retrieves run side by side, so the slowest of these bounds decides
        return max(
            sum(lists) / rates.list,
            retrieves / rates.retrieve,
            total / rates.everything,
            max(lists, default=0) * budget.read_seconds,
        )

    return Plan(
        steps=steps,
        left_out=left_out,
        unmet=unmet,
        reads=total,
        reads_one_by_one=histogram.due,
        seconds=seconds(budget.rates),
        seconds_at_limit=seconds(budget.limit),
        quota_share=total / budget.quota,
    )
