"""A month of a shop with twenty payments, by simulated time: every kind of sweep, at the default intervals.

Stripe allows such a shop 10,000 reads a month, and Reconciler may spend half of them. A tail sweep every minute alone
would need 43,200, so its interval has to be longer. Every sweep of the month has to be complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg

from reconciler.domain.read_limits_and_shortage import (
    QUOTA_PERIOD,
    ReadsSpent,
    Source,
    tail_interval,
)
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota, documented_reads
from reconciler.engine.ports import Store
from reconciler.engine.report import SweepKind
from tests.benchmarks.databases import Databases
from tests.benchmarks.day import SimulatedShop
from tests.benchmarks.figures import Figure
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import benchmark_account, with_ports
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import VirtualStripe

PAYMENTS_PER_MONTH = 20
OPEN_EVERY = 3
SHARE = 0.5
MINUTE = timedelta(minutes=1)
INTERVALS = {
    SweepKind.TAIL: MINUTE,
    SweepKind.DUE: timedelta(minutes=5),
    SweepKind.WINDOW: timedelta(days=1),
}
"""The defaults of [service]."""


@dataclass
class BookedReads:
    """The reads as the database books them, but by the simulated clock."""

    clock: SteppedClock
    hours: dict[datetime, Counter[Source]] = field(default_factory=dict)

    def book(self, reads: Mapping[Source, int]) -> None:
        """Add reads to the current hour."""
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0)
        self.hours.setdefault(hour, Counter()).update(reads)

    def booked(self) -> ReadsSpent:
        """The reads of the last 30 days and of the last day."""
        return ReadsSpent(self._since(QUOTA_PERIOD), self._since(timedelta(days=1)))

    def _since(self, span: timedelta) -> Counter[Source]:
        found: Counter[Source] = Counter()
        for hour, reads in self.hours.items():
            if hour > self.clock.now() - span:
                found.update(reads)
        return found


def run(options: Options) -> list[Figure]:
    """The reads of the month, or of one day."""
    days = 1 if options.tiny else 30

    with Databases(options.postgres) as databases, _simulated_shop(databases) as (shop, quota):
        intervals = {**INTERVALS, SweepKind.TAIL: tail_interval(MINUTE, quota.allowed)}
        sweeps = _run_for(shop, timedelta(days=days), intervals)
        spent, changed, corrected = shop.spent, len(shop.changed), shop.corrected

    if corrected < changed:
        raise RuntimeError(f"{changed - corrected} changes were missed")
    total = spent.total()
    most = quota.allowed * days // 30
    remarks = ", ".join(
        f"{kind} {spent[kind]:,} in {sweeps[kind]:,} sweeps" for kind in sorted(sweeps)
    )
    name = f"{days} days of a shop with {PAYMENTS_PER_MONTH} payments a month"
    minutes = intervals[SweepKind.TAIL].total_seconds() / 60
    return [
        Figure(name, "reads", f"<= {most:,}", f"{total:,}", total <= most, remarks),
        Figure(name, "minutes between ticks of the tail", "", f"{minutes:.1f}", None),
    ]


def _run_for(
    shop: SimulatedShop, span: timedelta, intervals: Mapping[SweepKind, timedelta]
) -> Counter[str]:
    """Simulate so long; in the middle a cart is paid and its webhook is lost. Returns the number of sweeps by kind."""
    begin = shop.clock.now()
    next_sweep = dict.fromkeys(intervals, begin)
    sweeps: Counter[str] = Counter()
    is_webhook_lost = False

    while (at := min(next_sweep.values())) < begin + span:
        shop.clock.advance(at - shop.clock.now())
        shop.sell(counted=True)
        if not is_webhook_lost and at - begin >= span / 2:
            is_webhook_lost = True
            number = (shop.written // OPEN_EVERY - 1) * OPEN_EVERY
            shop.changed.add(number)
            shop.stripe.pay(number)

        for kind, moment in next_sweep.items():
            if moment == at:
                shop.sweep(kind)
                sweeps[kind.value] += 1
                next_sweep[kind] = at + intervals[kind]

    return sweeps


class _StoreWithSimulatedBooks:
    """The store, but its reads are booked by the simulated clock."""

    def __init__(self, store: Store, books: BookedReads) -> None:
        self._store = store
        self.booked_reads = books.booked
        self.book_reads = books.book

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@contextmanager
def _simulated_shop(databases: Databases) -> Iterator[tuple[SimulatedShop, ReadQuota]]:
    """A shop with twenty payments in the last month and twenty in the month to come."""
    rows = GeneratedRows(2 * PAYMENTS_PER_MONTH, open_every=OPEN_EVERY)
    clock = SteppedClock(NOW)
    changed: set[int] = set()
    quota = ReadQuota(documented_reads(PAYMENTS_PER_MONTH), SHARE, MINUTE)
    source_quota = SourceQuota(quota)
    stripe = VirtualStripe(
        2 * PAYMENTS_PER_MONTH,
        NOW - QUOTA_PERIOD,
        2 * QUOTA_PERIOD,
        lambda number: number % OPEN_EVERY != 0 or number in changed,
        clock.now,
        acquire=source_quota.take,
    )

    with (
        databases.filled(generated=rows.select(stripe, range(stripe.made))) as template,
        databases.copy_of(template) as url,
        psycopg.connect(url, autocommit=True) as connection,
        benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock) as opened,
    ):
        store = _StoreWithSimulatedBooks(opened.ports.store, BookedReads(clock))
        limits = replace(opened.limits, source_quota=source_quota)
        shops = replace(with_ports(opened, stripe=stripe, store=store), limits=limits)
        yield SimulatedShop(rows, clock, connection, stripe, shops, changed, stripe.made), quota
