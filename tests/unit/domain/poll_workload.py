"""What the polls of a shop cost: simulated days, with the reads of every sweep planned as usual."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.planning.histogram import Bucket, Histogram, ListingModel
from reconciler.domain.planning.list_or_retrieve import cheapest_runs, reads
from reconciler.domain.planning.listing_costs import ListingCosts
from tests.unit.domain.samples import polls

SWEEP_EVERY: Final = timedelta(minutes=1)
"""One sweep reads everything of which a poll falls into the same minute."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Payments that are alike: one of them as a sample, how many are created a day, and how long each stays open."""

    sample: Intent
    a_day: float
    open_for: timedelta


def reads_per_day(
    cohorts: Sequence[Cohort],
    payments_a_day: float,
    horizon: timedelta,
    *,
    days: int = 10,
    jitter: float = 0.5,
    grain: timedelta = timedelta(minutes=15),
    listing_model: ListingModel = ListingModel(),  # noqa: B008
) -> float:
    """The reads in a day that the polls of a steady number of open payments cost, as an average over ``days``.

    ``payments_a_day`` are all payments that are created, because lists show those that are not open too. They are
    created evenly and counted by ``grain``. The days begin with the creation of the first sample.
    """
    if not cohorts:
        return 0.0
    begin = cohorts[0].sample.created
    history = max(cohort.open_for for cohort in cohorts) // grain + 1
    grains = range(-history, timedelta(days=days) // grain)
    due_by_sweep: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for cohort in cohorts:
        for at, count in _spread(cohort.a_day, grains, grain):
            sample = _moved(cohort.sample, begin + at * grain)
            until = sample.created + cohort.open_for
            for poll in polls(sample, None, horizon, jitter):
                if poll >= until:
                    break
                due_by_sweep[(poll - begin) // SWEEP_EVERY][at] += count

    rows = dict(_spread(payments_a_day, grains, grain))
    before = [0, *accumulate(rows.get(at, 0) for at in grains)]
    sweeps = range(timedelta(days=days) // SWEEP_EVERY)
    spent = (
        _reads(due, before, history, begin, grain, listing_model)
        for sweep, due in due_by_sweep.items()
        if sweep in sweeps
    )
    return sum(spent) / days


def _spread(a_day: float, grains: Iterable[int], grain: timedelta) -> Iterable[tuple[int, int]]:
    """The grains in which a payment is created, and how many are, if so many are created a day."""
    each = a_day * (grain / timedelta(days=1))
    for at in grains:
        count = int((at + 1) * each // 1) - int(at * each // 1)
        if count:
            yield at, count


def _moved(intent: Intent, created: datetime) -> Intent:
    """The same intent, with all its times moved by as much as its creation."""
    by = created - intent.created

    def moved(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment + by

    charge, action = intent.charge, intent.next_action
    return replace(
        intent,
        created=created,
        canceled_at=moved(intent.canceled_at),
        charge=charge
        and replace(
            charge, created=charge.created + by, capture_before=moved(charge.capture_before)
        ),
        next_action=action and replace(action, expires_at=moved(action.expires_at)),
    )


def _reads(
    due: Mapping[int, int],
    before: Sequence[int],
    history: int,
    begin: datetime,
    grain: timedelta,
    listing_model: ListingModel,
) -> int:
    """What one sweep costs: the grains with due rows, and between them everything that a list would show."""
    buckets: list[Bucket] = []
    last: int | None = None
    for at, count in sorted(due.items()):
        start = begin + at * grain
        if last is not None and last + 1 < at:
            between = before[at + history] - before[last + 1 + history]
            buckets.append(Bucket(begin + (last + 1) * grain, start, between, 0))
        rows = max(count, before[at + 1 + history] - before[at + history])
        buckets.append(Bucket(start, start + grain, rows, count))
        last = at
    costs = ListingCosts(Histogram(tuple(buckets)), listing_model)
    return sum(reads(run, costs) for run in cheapest_runs(costs))
