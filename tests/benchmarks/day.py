"""The reads of a day, by simulated time, with ten times the open payments and the same changes.

Sweeps are made at the service's default intervals: the tail every minute, due every five minutes, a window once a day.
Payments are created all the time. In the one shop one in thirty stays an unpaid cart, in the other one in three. The
others are paid at once, and their rows say so. Now and then a cart is paid and its webhook is lost; sometimes Stripe
makes no event for it either. A day is simulated before the one that is counted, so that every recheck has its time.

A tail sweep without new events is one read, however many payments are open (see :mod:`reads`). So the reads with a tail
every ten seconds are the simulated ones and one for each tick that the simulation leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg

from reconciler.engine.account import OpenAccount
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep_context import SERVICE
from tests.benchmarks.databases import COLUMNS, Databases
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import NoProgress, benchmark_account, with_ports
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import VirtualStripe

HISTORY = timedelta(days=28)
FEW_OPEN, MANY_OPEN = 30, 3
"""One of so many payments stays open."""
TICKS_PER_MINUTE = 6
"""Tail sweeps per minute at the shortest interval."""
DUE_MINUTES = 5
WINDOW_MINUTE = 720
DAY_MINUTES = 1440
CHANGE_MINUTES = 72
"""Minutes between two payments whose webhook is lost."""
WITHOUT_EVENT = 10
"""One in so many of these payments has no event either."""


@dataclass
class SimulatedShop:
    """A shop that sells by simulated time, and its Stripe. ``changed`` are the carts that were paid later."""

    rows: GeneratedRows
    clock: SteppedClock
    connection: psycopg.Connection
    stripe: VirtualStripe
    opened: OpenAccount
    changed: set[int]
    written: int
    spent: Counter[str] = field(default_factory=Counter)
    corrected: int = 0

    def run_for(self, minutes: int, *, counted: bool) -> None:
        """Simulate so many minutes. Only ``counted`` ones have tail and window sweeps and lost webhooks."""
        for minute in range(1, minutes + 1):
            self.clock.advance(timedelta(minutes=1))
            self.sell(counted=counted)
            if counted and minute % CHANGE_MINUTES == 1:
                self._lose_one()
            if counted:
                self.sweep(SweepKind.TAIL)
            if minute % DUE_MINUTES == 0:
                self.sweep(SweepKind.DUE)
            if counted and minute == WINDOW_MINUTE:
                self.sweep(SweepKind.WINDOW)

    def sweep(self, kind: SweepKind) -> SweepReport:
        """Make a sweep as the service does. Raises RuntimeError if it is not complete."""
        request = SweepRequest(kind=kind, writing=Writing.ROWS, asked_by=SERVICE)
        report = self.opened.sweep(request, NoProgress())
        if not report.complete:
            raise RuntimeError(
                f"a sweep was not complete: {report.stopped or report.unexamined[0]}"
            )
        self.spent[kind.value] += report.reads
        self.corrected += report.corrected
        return report

    def sell(self, *, counted: bool) -> None:
        """Add the rows of the payments created since the last call; their webhooks were received."""
        made = range(self.written, self.stripe.made)
        self.written = made.stop
        if not made:
            return
        query = f"INSERT INTO payments ({COLUMNS}) {self.rows.select(self.stripe, made)}"
        self.connection.execute(query.encode())
        for number in made if counted else ():
            if self.stripe.is_paid(number):
                self.stripe.pay(number)

    def _lose_one(self) -> None:
        """Pay a cart of some days ago, and lose its webhook."""
        age = 10 + len(self.changed)
        number = (self.written // self.rows.open_every - age) * self.rows.open_every
        self.changed.add(number)
        if len(self.changed) % WITHOUT_EVENT:
            self.stripe.pay(number)


def run(options: Options) -> list[Figure]:
    """The reads of both shops, and their ratio."""
    payments = options.sized(tiny=3_000, usual=100_000, full=100_000)
    minutes = 120 if options.tiny else DAY_MINUTES
    shops = {FEW_OPEN: "one in thirty", MANY_OPEN: "one in three"}
    spent: dict[int, Counter[str]] = {}

    with Databases(options.postgres) as databases:
        for open_every, words in shops.items():
            with _simulated_shop(databases, payments, open_every) as shop:
                shop.sweep(SweepKind.WINDOW)
                shop.run_for(minutes, counted=False)
                shop.spent.clear()
                shop.run_for(minutes, counted=True)
                # a change without an event is found when the payment is read again, perhaps on a later day
                missed = len(shop.changed) - shop.corrected
                print_line(
                    f"  {words} open: {dict(shop.spent)}, {missed} changes not seen yet, {load()}"
                )
                if missed > len(shop.changed) // WITHOUT_EVENT:
                    raise RuntimeError(f"{missed} changes were missed")
                spent[open_every] = shop.spent

    figures = [
        Figure(
            f"a day of {payments // 30:,} payments, {words} open",
            "reads",
            "",
            f"{spent[key].total():,}",
            None,
            ", ".join(f"{kind} {count:,}" for kind, count in sorted(spent[key].items())),
        )
        for key, words in shops.items()
    ]
    few, many = spent[FEW_OPEN].total(), spent[MANY_OPEN].total()
    left_out = minutes * (TICKS_PER_MINUTE - 1)

    return [
        *figures,
        _ratio("tail every minute", many, few),
        _ratio("tail every 10 s", many + left_out, few + left_out),
    ]


def _ratio(name: str, many: int, few: int) -> Figure:
    ratio = many / few
    label = f"a day with ten times the open payments, {name}"
    return Figure(label, "reads over reads", "<= 1.10", f"{ratio:.3f}", ratio <= 1.1)


@contextmanager
def _simulated_shop(
    databases: Databases, payments: int, open_every: int
) -> Iterator[SimulatedShop]:
    """A shop with so many payments over thirty days, of which 28 are in the past."""
    rows = GeneratedRows(payments, open_every=open_every)
    clock = SteppedClock(NOW)
    changed: set[int] = set()
    stripe = VirtualStripe(
        payments,
        NOW - HISTORY,
        timedelta(days=30),
        lambda number: number % open_every != 0 or number in changed,
        clock.now,
    )

    with (
        databases.filled(generated=rows.select(stripe, range(stripe.made))) as template,
        databases.copy_of(template) as url,
        psycopg.connect(url, autocommit=True) as connection,
        benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock) as opened,
    ):
        yield SimulatedShop(
            rows,
            clock,
            connection,
            stripe,
            with_ports(opened, stripe=stripe),
            changed,
            stripe.made,
        )
