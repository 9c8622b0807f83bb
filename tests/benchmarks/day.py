"""The reads of a day, by simulated time, with ten times the open payments and the same changes.

The service's sweeps are made as its timetable has them by default: the tail every minute, due every five, a window a
day. Payments are created all the time; of them one in thirty stays an unpaid cart in the one world, one in three in the
other. The others are paid at once, and the table says so. Now and then a cart is paid whose webhook is lost, and now and
then the event is lost too. A day sweeps before the one that is counted, so that the schedule has settled.

A tick of the tail with nothing in it is one read whatever is open (see :mod:`reads`), so that the day with a tail of ten
seconds is told as well, by adding the ticks that the simulation leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psycopg

from reconciler.engine.account import OpenAccount
from reconciler.engine.actor import SERVICE
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.options import Options
from tests.benchmarks.program import NoProgress, account
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.rows_in_sql import Rows
from tests.benchmarks.shop import Databases
from tests.benchmarks.standing_clock import StandingClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import VirtualStripe

PAST = timedelta(days=28)
FEW, MANY = 30, 3
"""Of so many payments one stays open."""
TICKS_A_MINUTE = 6
"""With the tail at its fastest."""
DUE_EVERY = 5
WINDOW_AT = 720
DAY = 1440
CHANGE_EVERY = 72
"""Minutes between two payments whose webhook is lost."""
SILENT_EVERY = 10
"""One in so many of these has no event either."""


@dataclass
class Shop:
    """A shop that goes on, and its Stripe. ``changed`` are the carts that were paid after all."""

    rows: Rows
    clock: StandingClock
    connection: psycopg.Connection
    stripe: VirtualStripe
    opened: OpenAccount
    changed: set[int]
    written: int
    spent: Counter[str] = field(default_factory=Counter)
    corrected: int = 0

    def pass_by(self, minutes: int, *, counted: bool) -> None:
        """Let so many minutes sweep, with all that happens in them; ``counted`` with the tail, the window and changes."""
        for minute in range(1, minutes + 1):
            self.clock.advance(timedelta(minutes=1))
            self._sell(counted=counted)
            if counted and minute % CHANGE_EVERY == 1:
                self._lose_one()
            if counted:
                self.cast(SweepKind.TAIL)
            if minute % DUE_EVERY == 0:
                self.cast(SweepKind.DUE)
            if counted and minute == WINDOW_AT:
                self.cast(SweepKind.WINDOW)

    def cast(self, kind: SweepKind) -> SweepReport:
        """A sweep as the service makes it."""
        request = SweepRequest(kind=kind, writing=Writing.ROWS, asked_by=SERVICE, by_service=True)
        report = self.opened.sweep(request, NoProgress())
        if not report.complete:
            raise RuntimeError(
                f"a sweep was not complete: {report.stopped or report.unexamined[0]}"
            )
        self.spent[kind.value] += report.reads
        self.corrected += report.corrected
        return report

    def _sell(self, *, counted: bool) -> None:
        """What was created in this minute: the row is there, and tells what its webhook told."""
        made = range(self.written, self.stripe.made)
        self.written = made.stop
        if not made:
            return
        query = f"INSERT INTO payments {self.rows.select(self.stripe, made)}"
        self.connection.execute(query.encode())
        for number in made if counted else ():
            if self.stripe.is_paid(number):
                self.stripe.pay(number)

    def _lose_one(self) -> None:
        """A cart of some days ago is paid, and its webhook is lost."""
        age = 10 + len(self.changed)
        number = (self.written // self.rows.open_every - age) * self.rows.open_every
        self.changed.add(number)
        if len(self.changed) % SILENT_EVERY:
            self.stripe.pay(number)


def run(options: Options) -> list[Figure]:
    """Both worlds, and the one against the other."""
    payments = options.sized(tiny=3_000, usual=100_000, full=100_000)
    minutes = 120 if options.tiny else DAY
    worlds = {FEW: "one in thirty", MANY: "one in three"}
    spent: dict[int, Counter[str]] = {}
    with Databases(options.postgres) as databases:
        for open_every, words in worlds.items():
            with _a_shop(databases, payments, open_every) as shop:
                shop.cast(SweepKind.WINDOW)
                shop.pass_by(minutes, counted=False)
                shop.spent.clear()
                shop.pass_by(minutes, counted=True)
                # what has no event is found by the look at it, some day
                missed = len(shop.changed) - shop.corrected
                say(f"  {words} open: {dict(shop.spent)}, {missed} changes not seen yet, {load()}")
                if missed > len(shop.changed) // SILENT_EVERY:
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
        for key, words in worlds.items()
    ]
    few, many = spent[FEW].total(), spent[MANY].total()
    between = minutes * (TICKS_A_MINUTE - 1)
    return [
        *figures,
        _ratio("tail every minute", many, few),
        _ratio("tail every 10 s", many + between, few + between),
    ]


def _ratio(name: str, many: int, few: int) -> Figure:
    ratio = many / few
    label = f"a day with ten times the open payments, {name}"
    return Figure(label, "reads over reads", "<= 1.10", f"{ratio:.3f}", ratio <= 1.1)


@contextmanager
def _a_shop(databases: Databases, payments: int, open_every: int) -> Iterator[Shop]:
    """So many payments over thirty days, the last two of which are to come."""
    rows = Rows(payments, open_every=open_every)
    clock = StandingClock(NOW)
    changed: set[int] = set()
    stripe = VirtualStripe(
        payments,
        NOW - PAST,
        timedelta(days=30),
        lambda number: number % open_every != 0 or number in changed,
        clock.now,
    )
    with (
        databases.filled(generated=rows.select(stripe, range(stripe.made))) as template,
        databases.copy_of(template) as url,
        psycopg.connect(url, autocommit=True) as connection,
        account(url, NOWHERE, KEY, paced=False, clock=clock) as opened,
    ):
        yield Shop(
            rows,
            clock,
            connection,
            stripe,
            replace(opened, stripe=stripe),
            changed,
            stripe.made,
        )
