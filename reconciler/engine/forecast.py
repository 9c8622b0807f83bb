"""What a pass would ask Stripe, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.histogram import Bucket, Histogram
from reconciler.domain.page import TimeRange
from reconciler.domain.plan import Budget, Plan
from reconciler.domain.planning import plan
from reconciler.engine.ports import Store
from reconciler.engine.report import SweepKind


@dataclass(frozen=True, slots=True)
class Forecast:
    """One net's plan, and the payments that it is for."""

    kind: SweepKind
    payments: int
    plan: Plan


def plan_of(
    store: Store, created: TimeRange, budget: Budget, due_by: datetime | None = None
) -> Plan:
    """The cheapest way to ask about the open payments of a range; with ``due_by`` about those due by then."""
    learnt = store.learnt()
    return plan(store.histogram(created, learnt.ratio, due_by), learnt, budget)


def forecast_due(store: Store, created: TimeRange, budget: Budget) -> Forecast:
    """What the due net would cost now."""
    chosen = plan_of(store, created, budget)
    return Forecast(SweepKind.DUE, chosen.reads_one_by_one, chosen)


def forecast_window(store: Store, created: TimeRange, budget: Budget, now: datetime) -> Forecast:
    """What the window net would cost now: every intent of the range is listed, whatever its row says."""
    learnt = store.learnt()
    rows = store.count_between(created)
    until = created.until or now
    if created.since is None or until <= created.since:
        empty = Histogram(())
        return Forecast(SweepKind.WINDOW, rows, plan(empty, learnt, budget))
    whole = Histogram((Bucket(created.since, until, rows, rows),))
    return Forecast(SweepKind.WINDOW, rows, plan(whole, learnt, budget))
