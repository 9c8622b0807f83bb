"""A month of a shop with twenty payments, by simulated time: everything on, at the default cadences.

Stripe allows such a shop 10,000 reads a month, and half of them are ours. A tail of every minute alone would be 43,200, so
that its pace has to follow from what is allowed. Every sweep of the month has to be complete.
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
from tests.benchmarks.day import Shop
from tests.benchmarks.figures import Figure
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import benchmark_account
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import VirtualStripe

A_MONTH = 20
OPEN_EVERY = 3
SHARE = 0.5
MINUTE = timedelta(minutes=1)
CADENCES = {
    SweepKind.TAIL: MINUTE,
    SweepKind.DUE: timedelta(minutes=5),
    SweepKind.WINDOW: timedelta(days=1),
}
"""As [service] has them by default."""


@dataclass
class Books:
    """The reads as the database books them, by the simulated clock."""

    clock: SteppedClock
    hours: dict[datetime, Counter[Source]] = field(default_factory=dict)

    def book(self, reads: Mapping[Source, int]) -> None:
        """Add to this hour."""
        hour = self.clock.now().replace(minute=0, second=0, microsecond=0)
        self.hours.setdefault(hour, Counter()).update(reads)

    def booked(self) -> ReadsSpent:
        """The sums of 30 days and of one."""
        return ReadsSpent(self._since(QUOTA_PERIOD), self._since(timedelta(days=1)))

    def _since(self, span: timedelta) -> Counter[Source]:
        found: Counter[Source] = Counter()
        for hour, reads in self.hours.items():
            if hour > self.clock.now() - span:
                found.update(reads)
        return found


def run(options: Options) -> list[Figure]:
    """The month, or a day of it."""
    days = 1 if options.tiny else 30
    with Databases(options.postgres) as databases, _a_shop(databases) as (shop, quota):
        every = {**CADENCES, SweepKind.TAIL: tail_interval(MINUTE, quota.allowed)}
        cast = _pass_by(shop, timedelta(days=days), every)
        spent, changed, corrected = shop.spent, len(shop.changed), shop.corrected
    if corrected < changed:
        raise RuntimeError(f"{changed - corrected} changes were missed")
    total = spent.total()
    most = quota.allowed * days // 30
    remarks = ", ".join(f"{kind} {spent[kind]:,} in {cast[kind]:,} passes" for kind in sorted(cast))
    name = f"{days} days of a shop with {A_MONTH} payments a month"
    pace = every[SweepKind.TAIL].total_seconds() / 60
    return [
        Figure(name, "reads", f"<= {most:,}", f"{total:,}", total <= most, remarks),
        Figure(name, "minutes between ticks of the tail", "", f"{pace:.1f}", None),
    ]


def _pass_by(shop: Shop, span: timedelta, every: Mapping[SweepKind, timedelta]) -> Counter[str]:
    """Let time pass from pass to pass; in its middle a cart is paid and its webhook is lost."""
    begin = shop.clock.now()
    coming = dict.fromkeys(every, begin)
    cast: Counter[str] = Counter()
    lost = False
    while (at := min(coming.values())) < begin + span:
        shop.clock.advance(at - shop.clock.now())
        shop._sell(counted=True)
        if not lost and at - begin >= span / 2:
            lost = True
            number = (shop.written // OPEN_EVERY - 1) * OPEN_EVERY
            shop.changed.add(number)
            shop.stripe.pay(number)
        for kind, moment in coming.items():
            if moment == at:
                shop.cast(kind)
                cast[kind.value] += 1
                coming[kind] = at + every[kind]
    return cast


class _Simulated:
    """The store with the reads booked elsewhere."""

    def __init__(self, store: Store, books: Books) -> None:
        self._store = store
        self.booked_reads = books.booked
        self.book_reads = books.book

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@contextmanager
def _a_shop(databases: Databases) -> Iterator[tuple[Shop, ReadQuota]]:
    """Twenty payments of the month before; twenty are to come."""
    rows = GeneratedRows(2 * A_MONTH, open_every=OPEN_EVERY)
    clock = SteppedClock(NOW)
    changed: set[int] = set()
    quota = ReadQuota(documented_reads(A_MONTH), SHARE, MINUTE)
    source_quota = SourceQuota(quota)
    stripe = VirtualStripe(
        2 * A_MONTH,
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
        store: Store = _Simulated(opened.store, Books(clock))  # type: ignore[assignment]
        shops = replace(opened, stripe=stripe, store=store, source_quota=source_quota)
        yield Shop(rows, clock, connection, stripe, shops, changed, stripe.made), quota
