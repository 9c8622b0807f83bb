"""What a due tick of the service costs the database if 100 payments are due, beside 10,000 and 1,000,000 open ones.

Three ticks over the same table: one that reads every open row, one that searches the whole table for what is due, and one
that compares only what is due. If the second takes longer than a quarter of a second, the service makes it at most once in a
thousand times its length, and at least once an hour; every other tick is of the third kind.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.page.due_row_search import PostgresDueRows
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.engine.account import OpenAccount
from reconciler.engine.due_rows import DueRows
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep_context import SERVICE
from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import NoProgress, benchmark_account, with_ports
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
DUE = 100
MOST_SECONDS = 0.3
FLUSH_SECONDS = 11.0
"""After so long without work a server process reports the time that it was active."""
RECHECKS = (
    "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
    f" SELECT 'default', pi, timestamptz '{NOW.isoformat()}' + interval '30 days', 'schedule' FROM payments"
)
BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
ACTIVE = "SELECT active_time FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick: what it read, and the seconds of the database: by its own count, and of CPU. None if not measured."""

    report: SweepReport
    active_seconds: float | None
    cpu_seconds: float


class SearchingClock(SteppedClock):
    """A clock of searches that take ten seconds each, so that the search after one compares only what is due."""

    def monotonic(self) -> float:
        """Ten seconds more at each call."""
        self.advance(timedelta(seconds=10))
        return super().monotonic()


class DatabaseMeter:
    """The time that the processes of one database have worked for other sessions than its own."""

    def __init__(self, url: str, *, tiny: bool) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._tiny = tiny

    def close(self) -> None:
        """Close the session."""
        self._connection.close()

    def active_seconds(self) -> float | None:
        """By PostgreSQL's own count, after a wait for its processes to report it."""
        if self._tiny:
            return None
        threading.Event().wait(FLUSH_SECONDS)
        row = self._connection.execute(ACTIVE).fetchone()
        return None if row is None else float(row[0]) / 1000

    def cpu_seconds(self) -> float:
        """The CPU of the server processes that are connected now. Parallel workers are not in it."""
        pids = [row[0] for row in self._connection.execute(BACKENDS).fetchall()]
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 for pid in pids)

    def execute(self, statement: str) -> None:
        """Execute a statement of the benchmark's own."""
        self._connection.execute(statement.encode())


def run(options: Options) -> list[Figure]:
    """The database's time of a tick at both sizes."""
    sizes = (300, 1_000) if options.tiny else (10_000, 1_000_000)
    figures: list[Figure] = []
    with Databases(options.postgres) as databases:
        for rows in sizes:
            figures += _figures(databases, rows, options)
    return figures


def _figures(databases: Databases, rows: int, options: Options) -> list[Figure]:
    shop = GeneratedRows(rows, wrong_every=rows + 1)
    stripe = shop.stripe(NOW)
    with ExitStack() as stack:
        url = stack.enter_context(databases.filled(generated=shop.select(stripe)))
        url = stack.enter_context(databases.copy_of(url))
        meter = DatabaseMeter(url, tiny=options.tiny)
        stack.callback(meter.close)
        meter.execute(RECHECKS)
        meter.execute("VACUUM ANALYZE reconciler.rechecks")
        clock = SteppedClock(NOW)
        opened = with_ports(
            stack.enter_context(benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock)),
            stripe=stripe,
        )
        store = opened.ports.store
        assert isinstance(store, PostgresStore)
        database = stack.enter_context(Database(url))
        searching = DueRows(PostgresDueRows(database, store, opened.name), SearchingClock(NOW))
        # the first sweep connects, and proves the key
        _tick(opened, meter, rows)
        every_row = _tick(opened, meter, rows)
        # the shorter of the first two searches decides how soon the next is made
        _tick(replace(opened, due_rows=searching), meter, rows)
        whole = _tick(replace(opened, due_rows=searching), meter, rows)
        ticks = [
            _tick(replace(opened, due_rows=searching), meter, rows)
            for _ in range(options.repeated(usual=3))
        ]
    best = min(ticks, key=lambda tick: tick.cpu_seconds)
    return [
        _figure(rows, "every open row is read", every_row),
        _figure(rows, "the whole table is searched for what is due", whole),
        _figure(rows, "only what is due is compared", best, MOST_SECONDS),
    ]


def _tick(opened: OpenAccount, meter: DatabaseMeter, rows: int) -> Tick:
    """A due tick of the service when ``DUE`` payments are due, spread over the table. Raises RuntimeError if it differs."""
    due = min(DUE, rows // 3)
    meter.execute(
        f"UPDATE reconciler.rechecks SET due_at = timestamptz '{NOW.isoformat()}' - interval '1 minute'"
        f" WHERE payment_intent IN (SELECT pi FROM payments WHERE id % {rows // due} = {rows // due // 2}"
        f" ORDER BY id LIMIT {due})"
    )
    active, cpu = meter.active_seconds(), meter.cpu_seconds()
    request = SweepRequest(kind=SweepKind.DUE, writing=Writing.ROWS, asked_by=SERVICE)
    report = opened.sweep(request, NoProgress())
    cpu = meter.cpu_seconds() - cpu
    ended = meter.active_seconds()
    if not report.complete or report.examined < due:
        raise RuntimeError(f"the tick did not read what is due: {dict(report.as_json())}")
    spent = None if active is None or ended is None else ended - active
    shown = "" if spent is None else f"{spent:.3f} s active, "
    print_line(f"  {rows:,} open, {due} due: {shown}{cpu:.3f} s CPU, {load()}")
    return Tick(report, spent, cpu)


def _figure(rows: int, name: str, tick: Tick, most: float | None = None) -> Figure:
    seconds = tick.cpu_seconds if tick.active_seconds is None else tick.active_seconds
    return Figure(
        f"due tick, {rows:,} open, {min(DUE, rows // 3)} due",
        f"{name}: database seconds",
        "" if most is None else f"<= {most}",
        f"{seconds:.3f}",
        None if most is None else seconds <= most,
        f"{tick.cpu_seconds:.3f} s of CPU, {tick.report.reads} reads, {load()}",
    )
