"""How many reads a sweep takes, with a Stripe in this process: counts, which no load on the machine can change.

The due net over a dense and a sparse set of open payments, the same where local time is hours off and where Stripe holds
ten intents a row, and the tail's tick beside any number of open payments. Each sweep proves that it missed nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.account import OpenAccount
from reconciler.engine.report import SweepKind
from tests.benchmarks.figures import Figure
from tests.benchmarks.options import Options
from tests.benchmarks.program import account, measured, tell
from tests.benchmarks.rows_in_sql import Rows
from tests.benchmarks.shop import Databases, asked
from tests.benchmarks.standing_clock import StandingClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import PAGE, VirtualStripe

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
"""The gateway is not used."""
MOST_CURSORS = 8
SEED = 20261102
"""Where rows are spread at random, they are so each time."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Reads of one sweep, by endpoint."""

    by_endpoint: Counter[Endpoint]

    @property
    def lists(self) -> int:
        """Pages of the list."""
        return self.by_endpoint[Endpoint.LIST]

    @property
    def retrieves(self) -> int:
        """Single intents."""
        return self.by_endpoint[Endpoint.RETRIEVE]

    @property
    def looks(self) -> int:
        """Looks at fresh events, before something is recorded."""
        return self.by_endpoint[Endpoint.EVENTS]


@contextmanager
def opened_with(
    databases: Databases, rows: Rows, stripe: VirtualStripe, clock: StandingClock
) -> Iterator[tuple[OpenAccount, str]]:
    """An account over such rows and this Stripe, and its database's URL."""
    with (
        databases.filled(generated=rows.select(stripe)) as template,
        databases.copy_of(template) as url,
        account(url, NOWHERE, KEY, paced=False, clock=clock) as opened,
    ):
        yield replace(opened, stripe=stripe), url


def passed(databases: Databases, name: str, rows: Rows, *kinds: SweepKind) -> list[Spent]:
    """Passes one after the other over such rows, together correcting what is wrong. Raises where they missed anything."""
    stripe = rows.stripe(NOW)
    spent: list[Spent] = []
    with opened_with(databases, rows, stripe, StandingClock(NOW)) as (opened, url):
        corrected = 0
        for kind in kinds:
            before = stripe.spent.copy()
            run = measured(opened, kind)
            tell(f"{kind.value}, {name}", run)
            corrected += run.report.corrected
            spent.append(Spent(stripe.spent - before))
        paid = asked(url, "SELECT count(*) FROM payments WHERE status = 'paid'")[0][0]
    if (corrected, paid) != (rows.wrong, rows.rows - rows.open + rows.wrong):
        raise RuntimeError(f"{name}: {corrected} of {rows.wrong} rows were corrected")
    return spent


def run_due(options: Options) -> list[Figure]:
    """The due net over a dense set, a sparse one, and worlds that are not as one would like."""
    many = options.sized(tiny=300, usual=20_000, full=100_000)
    sparse = options.sized(tiny=2_000, usual=1_000_000, full=1_000_000)
    dense, thin = Rows(many), Rows(sparse, open_every=max(1, sparse // 200))
    random = Random(SEED)
    spread = Rows(sparse, chosen=tuple(sorted(random.sample(range(sparse), thin.open))))
    best = -(-many // PAGE)
    most = int(1.05 * best) + MOST_CURSORS
    with Databases(options.postgres) as databases:
        (one,) = passed(databases, "dense", dense, SweepKind.DUE)
        (two,) = passed(databases, "sparse", thin, SweepKind.DUE)
        (three,) = passed(databases, "sparse, at random", spread, SweepKind.DUE)
        odd = list(_odd_worlds(databases, options))
    return [
        _figure(f"due, {many:,} open of {many:,}", one, f"<= {most:,}", most),
        _figure(f"due, {thin.open} open of {sparse:,}", two, "<= 200", 200),
        _figure(f"due, {spread.open} open of {sparse:,}, at random", three, "<= 200", 200),
        *odd,
    ]


def _odd_worlds(databases: Databases, options: Options) -> Iterator[Figure]:
    """Measured, nothing missed: ``passed`` raises otherwise."""
    many = options.sized(tiny=300, usual=10_000, full=50_000)
    hours = timedelta(hours=5)
    worlds = {
        "local time 5 h behind": Rows(many, late_by=-hours),
        "local time off by up to 5 h either way": Rows(many, scattered=hours),
        "ten intents a row": Rows(many // 10, intents_a_row=10),
        "ten intents a row, 5 h behind, 1 of 20 open": Rows(
            many // 10, intents_a_row=10, open_every=20, late_by=-hours
        ),
    }
    for name, rows in worlds.items():
        label = f"{rows.open:,} open of {rows.rows:,}, {name}"
        (first,) = passed(databases, name, rows, SweepKind.DUE)
        window, later = passed(databases, name, rows, SweepKind.WINDOW, SweepKind.DUE)
        yield _figure(f"due, {label}", first, "nothing missed")
        yield _figure(f"window, {label}", window, "nothing missed")
        yield _figure(f"due after that window, {label}", later, "nothing missed")


def _figure(name: str, spent: Spent, target: str, most: int | None = None) -> Figure:
    source = spent.lists + spent.retrieves
    remarks = f"{spent.lists:,} lists, {spent.retrieves:,} retrieves; {spent.looks} looks at events"
    return Figure(name, "reads", target, f"{source:,}", most is None or source <= most, remarks)


def run_tail(options: Options) -> list[Figure]:
    """A tick of the tail with nothing in its overlap, an hour after the last event was handled."""
    sizes = (100, options.sized(tiny=1_000, usual=1_000_000, full=1_000_000))
    figures = []
    with Databases(options.postgres) as databases:
        for open_payments in sizes:
            reads, seconds = _ticks(databases, open_payments)
            remark = f"{seconds * 1000:.0f} ms"
            name = f"tail tick, nothing new, {open_payments:,} open"
            figures.append(Figure(name, "reads", "1", str(reads), reads == 1, remark))
    return figures


def _ticks(databases: Databases, open_payments: int) -> tuple[int, float]:
    """Reads and seconds of the tick after the one that has handled an event."""
    rows = Rows(open_payments)
    clock = StandingClock(NOW)
    stripe = replace(rows.stripe(NOW), present=clock.now)
    with opened_with(databases, rows, stripe, clock) as (opened, _):
        stripe.pay(0)
        clock.advance(timedelta(minutes=5))
        first = measured(opened, SweepKind.TAIL)
        if first.report.corrected != 1:
            raise RuntimeError("the tail did not correct what an event told of")
        clock.advance(timedelta(hours=1))
        before = stripe.reads
        tick = measured(opened, SweepKind.TAIL)
        return stripe.reads - before, tick.seconds
