"""What a sweep would ask Stripe, and what it would cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Bucket, Histogram
from reconciler.domain.planning.plan import Budget, List, Plan
from reconciler.domain.planning.planner import PAGE_SIZE, cursors_of, plan
from reconciler.engine.ports import Store
from reconciler.engine.report import SweepKind

LOOKS_PART: Final = 0.05
"""What a plan leaves of the reads for looks at fresh events: one serves up to twenty pages."""
LEAST_LOOKS: Final = 2
HALVINGS: Final = 16
"""How finely the newest part of a window that the reads pay for is found: within a minute in a month."""


@dataclass(frozen=True, slots=True)
class ReadEstimate:
    """One net's plan, and the payments that it is for. ``listed_since`` is where a window begins that is listed."""

    kind: SweepKind
    payments: int
    plan: Plan
    listed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WindowPart:
    """The newest part of a window that its reads pay for, None where that is nothing, and the rest of it.

    ``rows`` and ``rows_left_out`` are the rows of the two; of the whole window there are so many pages to list.
    """

    part: TimeRange | None
    left_out: TimeRange | None
    rows: int
    rows_left_out: int
    pages: int


def spendable(reads_left: int) -> int:
    """What a plan may take of what is left to a net: the pages that it brings need looks at fresh events as well."""
    return max(0, reads_left - max(LEAST_LOOKS, math.ceil(LOOKS_PART * reads_left)))


def plan_of(
    store: Store, created: TimeRange, budget: Budget, due_by: datetime | None = None
) -> Plan:
    """The cheapest way to ask about the open payments of a range; with ``due_by`` about those due by then."""
    listing_model = store.listing_model()
    return plan(store.histogram(created, listing_model.ratio, due_by), listing_model, budget)


def estimate_due(store: Store, created: TimeRange, budget: Budget) -> ReadEstimate:
    """What the due net would cost now."""
    chosen = plan_of(store, created, budget)
    return ReadEstimate(SweepKind.DUE, chosen.reads_one_by_one, chosen)


def window_part(store: Store, created: TimeRange, reads_left: int, now: datetime) -> WindowPart:
    """As much of a window as so many reads are expected to list, the newest first.

    Each cursor may end on a page that is nearly empty; a window whose rows are few costs a read.
    """
    ratio = store.listing_model().ratio
    until = created.until or now

    def pages(rows: int) -> int:
        expected = math.ceil(rows * ratio)
        return max(1, -(-expected // PAGE_SIZE)) + cursors_of(expected) - 1

    whole = store.count_between(created)
    if pages(whole) <= reads_left or created.since is None or until <= created.since:
        return WindowPart(created, None, whole, 0, pages(whole))
    if reads_left < 1:
        return WindowPart(None, created, 0, whole, pages(whole))
    most, fewest = timedelta(0), until - created.since
    rows = 0
    for _ in range(HALVINGS):
        middle = (most + fewest) / 2
        counted = store.count_between(TimeRange(until - middle, created.until))
        if pages(counted) <= reads_left:
            most, rows = middle, counted
        else:
            fewest = middle
    stop_token = (until - most).replace(microsecond=0) + timedelta(seconds=1)
    if stop_token >= until:
        return WindowPart(None, created, 0, whole, pages(whole))
    left_out = TimeRange(created.since, stop_token)
    return WindowPart(
        TimeRange(stop_token, created.until), left_out, rows, whole - rows, pages(whole)
    )


def estimate_window(
    store: Store, created: TimeRange, budget: Budget, now: datetime
) -> ReadEstimate:
    """What the window net would cost now: every intent of the range is listed, whatever its row says."""
    listing_model = store.listing_model()
    until = created.until or now
    if created.since is None or until <= created.since:
        rows = store.count_between(created)
        chosen = plan(Histogram(()), listing_model, budget)
        return ReadEstimate(SweepKind.WINDOW, rows, chosen, created.since)
    left = budget.reads_left
    found = (
        WindowPart(created, None, store.count_between(created), 0, 0)
        if left is None
        else window_part(store, created, left, now)
    )
    buckets: tuple[Bucket, ...] = ()
    if found.part is not None and found.part.since is not None:
        buckets = (Bucket(found.part.since, until, found.rows, found.rows),)
    chosen = plan(Histogram(buckets), listing_model, replace(budget, reads_left=None))
    rows = found.rows + found.rows_left_out
    if found.left_out is not None:
        pages = max(1, found.pages - chosen.reads)
        expected = math.ceil(found.rows_left_out * listing_model.ratio)
        rest = List(found.left_out, found.left_out, pages, expected, found.rows_left_out)
        chosen = replace(chosen, left_out=(rest,), reads_one_by_one=rows)
    return ReadEstimate(
        SweepKind.WINDOW, rows, chosen, None if found.part is None else found.part.since
    )
