"""Which buckets to list and which to retrieve, so that every due row is covered by the fewest reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reconciler.domain.planning.histogram import PAGE_SIZE, ListingCosts


@dataclass(frozen=True, slots=True)
class BucketRun:
    """Buckets next to one another that are read in the same way; ``first`` and ``last`` are indexes, both included."""

    listed: bool
    first: int
    last: int


def pages(intents: int) -> int:
    """Reads that list so many intents: a page for each hundred, and one to learn that there are none."""
    return max(1, -(-intents // PAGE_SIZE))


def reads(run: BucketRun, costs: ListingCosts) -> int:
    """What a run is expected to cost."""
    if not run.listed:
        return costs.due(run.first, run.last)
    return pages(costs.intents(run.first, run.last)) + costs.unmet(run.first, run.last)


def cheapest_runs(costs: ListingCosts) -> tuple[BucketRun, ...]:
    """The cheapest runs that cheapest_runs every due row, oldest first.

    A dynamic programme over the buckets with two states: outside a listed stretch, and inside. All that counts of the
    inside is how full its last page is, and one number carries that: a hundred for every read spent before the stretch,
    plus the intents in it. Reads are whole, so the stretch's cost is that number rounded up to whole hundreds at its
    end, and of two ways of being inside the one with the smaller number is never worse. Time and memory grow with the
    buckets, not with their square. Where both cost the same, rows are retrieved: that is certain to find them.
    """
    spent = 0  # the fewest reads that cheapest_runs the buckets so far, outside a stretch
    inside: float = (
        math.inf
    )  # the carried number less what is the same for every way of being inside
    opened = 0
    listed_since: list[int | None] = []
    intents_to, unmet_to = 0, 0
    for at, bucket in enumerate(costs.buckets):
        intents_from = costs.intents_before(bucket.start - costs.margin)
        here = PAGE_SIZE * (spent - unmet_to) + costs.slack - intents_from
        if here < inside:
            inside, opened = here, at
        unmet_to += costs.unmet(at, at)
        intents_to = costs.intents_before(bucket.end + costs.margin)
        listed = math.ceil((inside + intents_to + PAGE_SIZE * unmet_to) / PAGE_SIZE)
        retrieved = spent + bucket.due
        listed_since.append(opened if listed < retrieved else None)
        spent = min(listed, retrieved)
    return _runs(listed_since, costs)


def _runs(listed_since: list[int | None], costs: ListingCosts) -> tuple[BucketRun, ...]:
    """Walk back from the last bucket along what was chosen."""
    found: list[BucketRun] = []
    until = len(listed_since)  # the buckets from here on are in runs already
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
    """The run without what has no due row at its ends; None where nothing is left."""
    first, last = run.first, run.last
    while first <= last and not costs.buckets[first].due:
        first += 1
    while last >= first and not costs.buckets[last].due:
        last -= 1
    return None if first > last else replace(run, first=first, last=last)


def affordable_runs(
    runs: tuple[BucketRun, ...], costs: ListingCosts, allowed: int
) -> tuple[tuple[BucketRun, ...], tuple[BucketRun, ...]]:
    """The runs that so many reads pay for, and those left out, both in the order of their worth.

    First where a read covers the most due rows, then the newest, which are the likeliest to change. Of a run that does
    not affordable_runs, the part with the most due rows that do is kept.
    """
    kept: list[BucketRun] = []
    left: list[BucketRun] = []
    for run in sorted(runs, key=lambda run: (-_worth(run, costs), -run.last)):
        part = run if reads(run, costs) <= allowed else _best_part(run, costs, allowed)
        if part is None:
            left.append(run)
            continue
        kept.append(part)
        allowed -= reads(part, costs)
        rests = (replace(run, first=part.last + 1), replace(run, last=part.first - 1))
        left.extend(rest for rest in (trim(rest, costs) for rest in rests) if rest is not None)
    return tuple(kept), tuple(left)


def _worth(run: BucketRun, costs: ListingCosts) -> float:
    return costs.due(run.first, run.last) / reads(run, costs)


def _best_part(run: BucketRun, costs: ListingCosts, allowed: int) -> BucketRun | None:
    """The neighbouring buckets of a run with the most due rows that so many reads pay for, the newest of equal ones."""
    best: BucketRun | None = None
    most, first = 1, run.first
    for last in range(run.first, run.last + 1):
        while first <= last and reads(replace(run, first=first, last=last), costs) > allowed:
            first += 1
        if first <= last and costs.due(first, last) >= most:
            best, most = replace(run, first=first, last=last), costs.due(first, last)
    part = None if best is None else trim(best, costs)
    if part is None or costs.due(part.first, part.last) > reads(part, costs):
        return part
    return replace(part, listed=False)
