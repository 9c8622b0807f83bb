"""Estimates what a sweep would read from Stripe now, and what it would cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Bucket, Histogram
from reconciler.domain.planning.plan import Budget, List, Plan
from reconciler.domain.planning.planner import plan
from reconciler.domain.read_limits_and_shortage import Source, spendable
from reconciler.engine.ports import Store
from reconciler.engine.report import Moment, SweepKind
from reconciler.engine.sources.sources import plan_due
from reconciler.engine.sources.window import WindowPart, window_part

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


@dataclass(frozen=True, slots=True)
class ReadEstimate:
    """The plan of one source, and how many payments it is for. ``listed_since`` is where a listed window begins."""

    kind: SweepKind
    payments: int
    plan: Plan
    listed_since: datetime | None = None


def estimate_reads(
    account: OpenAccount, kind: SweepKind, since: Moment | None, until: Moment | None
) -> tuple[ReadEstimate, ...]:
    """What a sweep of this kind would read from Stripe now, and what it would cost, for each source.

    A span counts back from this machine's time, because nothing is read from Stripe.
    """
    store, now = account.ports.store, account.clock.now()
    account.renew_quota()
    created = TimeRange(_at(since, now), _at(until, now))
    estimates: list[ReadEstimate] = []
    reads_of_window = 0
    if kind in (SweepKind.WINDOW, SweepKind.ALL):
        window = TimeRange(created.since or now - account.rules.horizon, created.until)
        budget = _budget_of(account, Source.WINDOW)
        estimate = _estimate_window(store, window, budget, now)
        estimates.append(estimate)
        reads_of_window = estimate.plan.reads
        if kind is SweepKind.ALL:
            # the window lists what is younger than its start, so that is not planned for due
            created = TimeRange(created.since, estimate.listed_since or created.until)
    if kind in (SweepKind.DUE, SweepKind.ALL):
        budget = _budget_of(account, Source.DUE, spent=reads_of_window)
        chosen = plan_due(store, created, budget)
        estimates.append(ReadEstimate(SweepKind.DUE, chosen.reads_one_by_one, chosen))
    return tuple(estimates)


def _budget_of(account: OpenAccount, source: Source, *, spent: int = 0) -> Budget:
    """What a plan of a source may spend, after ``spent`` more reads."""
    reads_left = spendable(account.limits.quota.left(source))
    return replace(account.limits.budget, reads_left=max(0, reads_left - spent))


def _at(moment: Moment | None, now: datetime) -> datetime | None:
    return now - moment if isinstance(moment, timedelta) else moment


def _estimate_window(
    store: Store, created: TimeRange, budget: Budget, now: datetime
) -> ReadEstimate:
    """What a window would cost now. It lists every intent of the range, however its rows stand."""
    listing_model = store.listing_model()
    until = created.until or now
    if created.since is None or until <= created.since:
        rows = store.count_between(created)
        nothing = plan(Histogram(()), listing_model, budget)
        return ReadEstimate(SweepKind.WINDOW, rows, nothing, created.since)

    reads_left = budget.reads_left
    chosen = (
        WindowPart(created, None, store.count_between(created), 0, 0)
        if reads_left is None
        else window_part(store, created, reads_left, now)
    )
    buckets: tuple[Bucket, ...] = ()
    if chosen.part is not None and chosen.part.since is not None:
        buckets = (Bucket(chosen.part.since, until, chosen.rows, chosen.rows),)
    listing = plan(Histogram(buckets), listing_model, replace(budget, reads_left=None))

    rows = chosen.rows + chosen.rows_left_out
    if chosen.left_out is not None:
        pages = max(1, chosen.pages - listing.reads)
        intents = math.ceil(chosen.rows_left_out * listing_model.ratio)
        rest = List(chosen.left_out, chosen.left_out, pages, intents, chosen.rows_left_out)
        listing = replace(listing, left_out=(rest,), reads_one_by_one=rows)
    listed_since = None if chosen.part is None else chosen.part.since
    return ReadEstimate(SweepKind.WINDOW, rows, listing, listed_since)
