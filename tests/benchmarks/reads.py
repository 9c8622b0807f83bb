"""How many reads a sweep takes, with a Stripe in this process: counts that do not depend on the machine.

Due sweeps over a dense and a sparse set of open payments, with local times that are hours off, and with ten intents for
each row; and a tail sweep beside any number of open payments. Each checks that no wrong row was missed.
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
from tests.benchmarks.databases import Databases, query_rows
from tests.benchmarks.figures import Figure
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import (
    benchmark_account,
    measure_sweep,
    print_sweep,
    with_ports,
)
from tests.benchmarks.options import Options
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import PAGE, VirtualStripe

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
"""An address that is never contacted: the sweeps use a VirtualStripe."""
MOST_CURSORS = 8
SEED = 20261102
"""The same random rows are chosen in each run."""


@dataclass(frozen=True, slots=True)
class SweepReads:
    """The reads of one sweep, by endpoint."""

    by_endpoint: Counter[Endpoint]

    @property
    def lists(self) -> int:
        """Pages of the list."""
        return self.by_endpoint[Endpoint.LIST]

    @property
    def retrieves(self) -> int:
        """Intents that were retrieved one by one."""
        return self.by_endpoint[Endpoint.RETRIEVE]

    @property
    def event_reads(self) -> int:
        """Reads of recent events, which come before something is recorded."""
        return self.by_endpoint[Endpoint.EVENTS]


@contextmanager
def opened_with(
    databases: Databases, rows: GeneratedRows, stripe: VirtualStripe, clock: SteppedClock
) -> Iterator[tuple[OpenAccount, str]]:
    """An account over these rows and this Stripe, and its database's URL."""
    with (
        databases.filled(generated=rows.select(stripe)) as template,
        databases.copy_of(template) as url,
        benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock) as opened,
    ):
        yield with_ports(opened, stripe=stripe), url


def make_sweeps(
    databases: Databases, name: str, rows: GeneratedRows, *kinds: SweepKind
) -> list[SweepReads]:
    """Make sweeps of these kinds one after the other over these rows; returns the reads of each.

    Raises RuntimeError if they have not corrected every wrong row together.
    """
    stripe = rows.stripe(NOW)
    spent: list[SweepReads] = []

    with opened_with(databases, rows, stripe, SteppedClock(NOW)) as (opened, url):
        corrected = 0

        for kind in kinds:
            before = stripe.spent.copy()
            run = measure_sweep(opened, kind)
            print_sweep(f"{kind.value}, {name}", run)
            corrected += run.report.corrected
            spent.append(SweepReads(stripe.spent - before))

        paid = query_rows(url, "SELECT count(*) FROM payments WHERE status = 'paid'")[0][0]

    if (corrected, paid) != (rows.wrong, rows.rows - rows.open + rows.wrong):
        raise RuntimeError(f"{name}: {corrected} of {rows.wrong} rows were corrected")
    return spent


def run_due(options: Options) -> list[Figure]:
    """Due sweeps over a dense set, sparse sets, and less regular tables."""
    many = options.sized(tiny=300, usual=20_000, full=100_000)
    sparse = options.sized(tiny=2_000, usual=1_000_000, full=1_000_000)
    dense, sparse_rows = (
        GeneratedRows(many),
        GeneratedRows(sparse, open_every=max(1, sparse // 200)),
    )
    random = Random(SEED)
    spread = GeneratedRows(
        sparse, chosen=tuple(sorted(random.sample(range(sparse), sparse_rows.open)))
    )
    best = -(-many // PAGE)
    most = int(1.05 * best) + MOST_CURSORS

    with Databases(options.postgres) as databases:
        (dense_reads,) = make_sweeps(databases, "dense", dense, SweepKind.DUE)
        (sparse_reads,) = make_sweeps(databases, "sparse", sparse_rows, SweepKind.DUE)
        (random_reads,) = make_sweeps(databases, "sparse, at random", spread, SweepKind.DUE)
        irregular = list(_irregular_tables(databases, options))

    return [
        _figure(f"due, {many:,} open of {many:,}", dense_reads, f"<= {most:,}", most),
        _figure(f"due, {sparse_rows.open} open of {sparse:,}", sparse_reads, "<= 200", 200),
        _figure(f"due, {spread.open} open of {sparse:,}, at random", random_reads, "<= 200", 200),
        *irregular,
    ]


def _irregular_tables(databases: Databases, options: Options) -> Iterator[Figure]:
    """Tables for which there is no target but that nothing is missed, which ``make_sweeps`` checks."""
    many = options.sized(tiny=300, usual=10_000, full=50_000)
    hours = timedelta(hours=5)
    tables = {
        "local time 5 h behind": GeneratedRows(many, late_by=-hours),
        "local time off by up to 5 h either way": GeneratedRows(many, scattered=hours),
        "ten intents a row": GeneratedRows(many // 10, intents_a_row=10),
        "ten intents a row, 5 h behind, 1 of 20 open": GeneratedRows(
            many // 10, intents_a_row=10, open_every=20, late_by=-hours
        ),
    }

    for name, rows in tables.items():
        label = f"{rows.open:,} open of {rows.rows:,}, {name}"
        (first,) = make_sweeps(databases, name, rows, SweepKind.DUE)
        window, later = make_sweeps(databases, name, rows, SweepKind.WINDOW, SweepKind.DUE)
        yield _figure(f"due, {label}", first, "nothing missed")
        yield _figure(f"window, {label}", window, "nothing missed")
        yield _figure(f"due after that window, {label}", later, "nothing missed")


def _figure(name: str, spent: SweepReads, target: str, most: int | None = None) -> Figure:
    source = spent.lists + spent.retrieves
    remarks = (
        f"{spent.lists:,} lists, {spent.retrieves:,} retrieves; {spent.event_reads} reads of events"
    )
    return Figure(name, "reads", target, f"{source:,}", most is None or source <= most, remarks)


def run_tail(options: Options) -> list[Figure]:
    """A tail sweep without new events, an hour after the last event was handled."""
    sizes = (100, options.sized(tiny=1_000, usual=1_000_000, full=1_000_000))
    figures = []
    with Databases(options.postgres) as databases:
        for open_payments in sizes:
            reads, seconds = _empty_tail_sweep(databases, open_payments)
            remark = f"{seconds * 1000:.0f} ms"
            name = f"tail tick, nothing new, {open_payments:,} open"
            figures.append(Figure(name, "reads", "1", str(reads), reads == 1, remark))
    return figures


def _empty_tail_sweep(databases: Databases, open_payments: int) -> tuple[int, float]:
    """Reads and seconds of a tail sweep an hour after one that has handled an event."""
    rows = GeneratedRows(open_payments)
    clock = SteppedClock(NOW)
    stripe = replace(rows.stripe(NOW), present=clock.now)

    with opened_with(databases, rows, stripe, clock) as (opened, _):
        stripe.pay(0)
        clock.advance(timedelta(minutes=5))
        first = measure_sweep(opened, SweepKind.TAIL)
        if first.report.corrected != 1:
            raise RuntimeError("the tail sweep did not correct the payment that an event named")
        clock.advance(timedelta(hours=1))
        before = stripe.reads
        tick = measure_sweep(opened, SweepKind.TAIL)
        return stripe.reads - before, tick.seconds
