"""Database round trips for a page, counted from libpq's own trace of every connection of a sweep.

The program waits for the server at a Sync, at a simple Query, and at a Flush that follows no Sync: each is a round trip.
One with nothing but BEGIN, COMMIT or ROLLBACK is not counted. A page's round trips are those of loading and recording it.
The others of the sweep are a remark: for the lease, the plan, the booked reads and the end.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.report import SweepKind
from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import (
    benchmark_account,
    measure_sweep,
    print_sweep,
    with_ports,
)
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY

PAGE_WORK = ("reading the rows of a page", "recording a page")
"""The names that the program gives to a page's two database connections."""
_BEGIN_OR_END = re.compile(r'"(?:BEGIN|COMMIT|ROLLBACK)[^"]*"')


def run(options: Options) -> list[Figure]:
    """The mean over a window sweep in which every page has something to correct, and in which none has."""
    intents = options.sized(tiny=1_000, usual=10_000, full=100_000)
    figures = []

    with Databases(options.postgres) as databases:
        for name, rows in {
            "every page has corrections": GeneratedRows(intents),
            "everything agrees": GeneratedRows(intents, open_every=intents, wrong_every=1),
        }.items():
            pages, counted = _count(databases, name, rows)
            if not all(counted[work] for work in PAGE_WORK):
                raise RuntimeError(f"no round trip was counted for one of {PAGE_WORK}")
            own = sum(counted[work] for work in PAGE_WORK)
            figures.append(
                Figure(
                    f"window of {pages:,} pages, {name}",
                    "round trips a page",
                    "<= 3",
                    f"{own / pages:.2f}",
                    own <= 3 * pages,
                    f"{counted.total() - own} more in the rest of the sweep",
                )
            )

    return figures


def _count(databases: Databases, name: str, rows: GeneratedRows) -> tuple[int, Counter[str]]:
    """The pages of a sweep, and its round trips by the work they belong to."""
    stripe = rows.stripe(NOW)
    clock = SteppedClock(NOW)
    with (
        databases.filled(generated=rows.select(stripe)) as template,
        databases.copy_of(template) as url,
        tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder,
        benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock) as opened,
        _tracing(Path(folder)) as counted,
    ):
        print_sweep(name, measure_sweep(with_ports(opened, stripe=stripe), SweepKind.WINDOW))
        return stripe.spent[Endpoint.LIST], counted


@contextmanager
def _tracing(folder: Path) -> Iterator[Counter[str]]:
    """Trace every connection while it is in use; the counter has the round trips by work at the end of the block."""
    connect = Database.connection
    counted: Counter[str] = Counter()
    numbers = itertools.count()

    @contextmanager
    def traced(database: Database, work: str) -> Iterator[Connection]:
        path = folder / str(next(numbers))
        with connect(database, work) as connection, path.open("wb") as file:
            connection.pgconn.trace(file.fileno())
            try:
                yield connection
            finally:
                connection.pgconn.untrace()
                counted[work] += _round_trips(path.read_text())
                path.unlink()

    with mock.patch.object(Database, "connection", traced):
        yield counted


def _round_trips(trace: str) -> int:
    """How often the program waited for an answer, except to the begin or end of a transaction."""
    counted = 0
    before = ""
    statements: list[str] = []

    for line in trace.splitlines():
        fields = line.split("\t")
        if len(fields) < 4 or fields[1] != "F":
            continue
        kind = fields[3]
        if kind in ("Parse", "Query", "Bind"):
            statements.append(line)
        if kind in {"Sync", "Query"} or (kind == "Flush" and before != "Sync"):
            counted += not _is_begin_or_end(statements)
            statements = []
        before = kind

    return counted


def _is_begin_or_end(statements: list[str]) -> bool:
    return bool(statements) and all(_BEGIN_OR_END.search(line) for line in statements)
