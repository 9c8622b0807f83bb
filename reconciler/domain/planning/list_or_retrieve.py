"""Which buckets are listed and which rows are retrieved, so that the fewest reads cover every due row."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reconciler.domain.planning.histogram import PAGE_SIZE
from reconciler.domain.planning.listing_costs import ListingCosts


@dataclass(frozen=True, slots=True)
class BucketRun:
    """Neighbouring buckets that are read in the same way. ``first`` and ``last`` are indexes, both included."""

    listed: bool
    first: int
    last: int


def pages(intents: int) -> int:
    """The reads that list this many intents: one for each hundred, and one to learn that there are none."""
    return max(1, -(-intents // PAGE_SIZE))


def reads(run: BucketRun, costs: ListingCosts) -> int:
    """The reads that a run is expected to cost."""
    if not run.listed:
        return costs.due(run.first, run.last)
    return pages(costs.intents(run.first, run.last)) + costs.unmet(run.first, run.last)


def cheapest_runs(costs: ListingCosts) -> tuple[BucketRun, ...]:
    """The cheapest runs that cover every due row, oldest first. If both ways cost the same, rows are retrieved.

    This is dynamic programming over the buckets with two states: no list is open, or one is. Time and memory grow with
    the number of buckets, not with its square.
    """
    # An open list is described by one number: a hundred for each read spent before the list, and one for each intent in
    # it. Reads are whole, so at its end the number rounded up to hundreds is the cost. Of two open lists the one with
    # the smaller number is never worse, so only that one is kept. What is the same for every open list is left out of
    # ``open_list`` and added at its end.
    spent = 0  # the fewest reads for the buckets so far, with no list open
    open_list: float = math.inf
    opened_at = 0
    listed_since: list[int | None] = []
    unmet = 0
    for at, bucket in enumerate(costs.buckets):
        intents_from = costs.intents_before(bucket.start - costs.margin)
        opened_here = PAGE_SIZE * (spent - unmet) + costs.slack - intents_from
        if opened_here < open_list:
            open_list, opened_at = opened_here, at

        unmet += costs.unmet(at, at)
        intents_to = costs.intents_before(bucket.end + costs.margin)
        listed = math.ceil((open_list + intents_to + PAGE_SIZE * unmet) / PAGE_SIZE)
        retrieved = spent + bucket.due
        # a retrieve is certain to find its row, so it wins over a list of the same cost
        listed_since.append(opened_at if listed < retrieved else None)
        spent = min(listed, retrieved)
    return _chosen_runs(listed_since, costs)


def _chosen_runs(listed_since: list[int | None], costs: ListingCosts) -> tuple[BucketRun, ...]:
    """The runs that were chosen, found from the last bucket back to the first.

    ``listed_since`` holds, for each bucket, the first bucket of the list that ends with it; None if it is retrieved.
    """
    found: list[BucketRun] = []
    # a later bucket may extend a list or give it up, so only the way back shows which lists were chosen
    until = len(listed_since)  # the buckets from here on are in a run already
    retrieved_to = until
    while until > 0:
        since = listed_since[until - 1]
        if since is None:
            until -= 1
            continue
        found.append(BucketRun(listed=False, first=until, last=retrieved_to - 1))
        found.append(BucketRun(listed=True, first=since, last=until - 1))
        until = retrieved_to = since
    found.append(BucketRun(listed=False, first=0, last=retrieved_to - 1))
    trimmed = (trim(run, costs) for run in reversed(found))
    return tuple(run for run in trimmed if run is not None)


def trim(run: BucketRun, costs: ListingCosts) -> BucketRun | None:
    """The run without the buckets at its ends that have no due row; None if nothing remains."""
    first, last = run.first, run.last
    while first <= last and not costs.buckets[first].due:
        first += 1
    while last >= first and not costs.buckets[last].due:
        last -= 1
    return None if first > last else replace(run, first=first, last=last)


def affordable_runs(
    runs: tuple[BucketRun, ...], costs: ListingCosts, allowed: int
) -> tuple[tuple[BucketRun, ...], tuple[BucketRun, ...]]:
    """The runs that ``allowed`` reads pay for, and the runs that are left out.

    Runs in which a read covers the most due rows come first; of equal ones the newest, which are the most likely to have
    changed. Of a run that is too expensive, the affordable part with the most due rows is kept.
    """
    # a greedy choice, because the exact one is a knapsack problem
    kept: list[BucketRun] = []
    left: list[BucketRun] = []
    for run in sorted(runs, key=lambda run: (-_due_per_read(run, costs), -run.last)):
        part = run if reads(run, costs) <= allowed else _best_part(run, costs, allowed)
        if part is None:
            left.append(run)
            continue
        kept.append(part)
        allowed -= reads(part, costs)
        rests = (replace(run, first=part.last + 1), replace(run, last=part.first - 1))
        left.extend(rest for rest in (trim(rest, costs) for rest in rests) if rest is not None)
    return tuple(kept), tuple(left)


def _due_per_read(run: BucketRun, costs: ListingCosts) -> float:
    return costs.due(run.first, run.last) / reads(run, costs)


def _best_part(run: BucketRun, costs: ListingCosts, allowed: int) -> BucketRun | None:
    """The part of a run with the most due rows that ``allowed`` reads pay for; the newest of equal ones."""
    best: BucketRun | None = None
    most, first = 1, run.first
    # a window over the buckets: its end moves on, and its start follows as soon as it is too expensive
    for last in range(run.first, run.last + 1):
        while first <= last and reads(replace(run, first=first, last=last), costs) > allowed:
            first += 1
        if first <= last and costs.due(first, last) >= most:
            best, most = replace(run, first=first, last=last), costs.due(first, last)

    part = None if best is None else trim(best, costs)
    # a list that shows fewer due rows than it has pages costs more than retrieving them
    if part is None or costs.due(part.first, part.last) > reads(part, costs):
        return part
    return replace(part, listed=False)
