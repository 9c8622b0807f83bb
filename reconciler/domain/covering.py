"""Which buckets to list and which to retrieve, so that every due row is covered by the fewest reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from reconciler.domain.histogram import PAGE_SIZE, Ground


@dataclass(frozen=True, slots=True)
class Run:
    """Buckets next to one another that are read in the same way; ``first`` and ``last`` are indexes, both included."""

    listed: bool
    first: int
    last: int


def pages(intents: int) -> int:
    """Reads that list so many intents: a page for each hundred, and one to learn that there are none."""
    return max(1, -(-intents // PAGE_SIZE))


def reads(run: Run, ground: Ground) -> int:
    """What a run is expected to cost."""
    if not run.listed:
        return ground.due(run.first, run.last)
    return pages(ground.intents(run.first, run.last)) + ground.unmet(run.first, run.last)


def cover(ground: Ground) -> tuple[Run, ...]:
    """The cheapest runs that cover every due row, oldest first.

    A dynamic programme over the buckets with two states: outside a listed stretch, and inside. All that counts of the
    inside is how full its last page is, and one number carries that: a hundred for every read spent before the stretch,
    plus the intents in it. Reads are whole, so the stretch's cost is that number rounded up to whole hundreds at its
    end, and of two ways of being inside the one with the smaller number is never worse. Time and memory grow with the
    buckets, not with their square. Where both cost the same, rows are retrieved: that is certain to find them.
    """
    spent = 0  # the fewest reads that cover the buckets so far, outside a stretch
    inside: float = (
        math.inf
    )  # the carried number less what is the same for every way of being inside
    opened = 0
    listed_since: list[int | None] = []
    intents_to, unmet_to = 0, 0
    for at, bucket in enumerate(ground.buckets):
        here = PAGE_SIZE * (spent - unmet_to) - ground.intents_before(bucket.start - ground.margin)
        if here < inside:
            inside, opened = here, at
        unmet_to += ground.unmet(at, at)
        intents_to = ground.intents_before(bucket.end + ground.margin)
        listed = math.ceil((inside + intents_to + PAGE_SIZE * unmet_to) / PAGE_SIZE)
        retrieved = spent + bucket.due
        listed_since.append(opened if listed < retrieved else None)
        spent = min(listed, retrieved)
    return _runs(listed_since, ground)


def _runs(listed_since: list[int | None], ground: Ground) -> tuple[Run, ...]:
    """Walk back from the last bucket along what was chosen."""
    found: list[Run] = []
    until = len(listed_since)  # the buckets from here on are in runs already
    retrieved_to = until
    while until > 0:
        since = listed_since[until - 1]
        if since is None:
            until -= 1
            continue
        found.append(Run(listed=False, first=until, last=retrieved_to - 1))
        found.append(Run(listed=True, first=since, last=until - 1))
        until = retrieved_to = since
    found.append(Run(listed=False, first=0, last=retrieved_to - 1))
    trimmed = (trim(run, ground) for run in reversed(found))
    return tuple(run for run in trimmed if run is not None)


def trim(run: Run, ground: Ground) -> Run | None:
    """The run without what has no due row at its ends; None where nothing is left."""
    first, last = run.first, run.last
    while first <= last and not ground.buckets[first].due:
        first += 1
    while last >= first and not ground.buckets[last].due:
        last -= 1
    return None if first > last else replace(run, first=first, last=last)


def fit(
    runs: tuple[Run, ...], ground: Ground, allowed: int
) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs that so many reads pay for, and those left out, both in the order of their worth.

    First where a read covers the most due rows, then the newest, which are the likeliest to change. Of a run that does
    not fit, its newest buckets are kept as far as they do.
    """
    kept: list[Run] = []
    left: list[Run] = []
    for run in sorted(runs, key=lambda run: (-_worth(run, ground), -run.last)):
        part = _newest_part(run, ground, allowed)
        if part is None:
            left.append(run)
            continue
        kept.append(part)
        allowed -= reads(part, ground)
        rest = trim(replace(run, last=part.first - 1), ground)
        if rest is not None:
            left.append(rest)
    return tuple(kept), tuple(left)


def _worth(run: Run, ground: Ground) -> float:
    return ground.due(run.first, run.last) / reads(run, ground)


def _newest_part(run: Run, ground: Ground, allowed: int) -> Run | None:
    """As much of the run's newer end as so many reads pay for."""
    if reads(run, ground) <= allowed:
        return run
    low, high = (
        run.first,
        run.last + 1,
    )  # a longer part never costs less, so its beginning can be searched
    while low < high:
        middle = (low + high) // 2
        if reads(replace(run, first=middle), ground) <= allowed:
            high = middle
        else:
            low = middle + 1
    part = trim(replace(run, first=high), ground)
    if part is None or ground.due(part.first, part.last) > reads(part, ground):
        return part
    return replace(part, listed=False)
