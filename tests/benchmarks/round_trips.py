"""Database round trips a page, counted from libpq's own trace of every connection of a pass.

A round trip is where the program waits for the server: a Sync, a simple Query, or a Flush that follows no Sync. One that
holds nothing but BEGIN, COMMIT or ROLLBACK is not counted. Everything else of the pass is: taking the lease, the search
for what to ask, and the end of the pass.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from reconciler.adapters.postgres import database as connections
from reconciler.engine.report import SweepKind
from tests.benchmarks.figures import Figure
from tests.benchmarks.options import Options
from tests.benchmarks.program import account, measured, tell
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.rows_in_sql import Rows
from tests.benchmarks.shop import Databases
from tests.benchmarks.standing_clock import StandingClock
from tests.benchmarks.stripe_process import KEY
from tests.benchmarks.virtual_stripe import PAGE

_ENDS = re.compile(r'"(?:BEGIN|COMMIT|ROLLBACK)[^"]*"')


def run(options: Options) -> list[Figure]:
    """The mean over a window pass in which every page has something to correct, and in which none has."""
    intents = options.sized(tiny=1_000, usual=10_000, full=100_000)
    pages = intents // PAGE
    figures = []
    with Databases(options.postgres) as databases:
        for name, rows in {
            "every page has corrections": Rows(intents),
            "everything agrees": Rows(intents, open_every=intents, wrong_every=1),
        }.items():
            counted = _counted(databases, name, rows)
            mean = counted / pages
            figures.append(
                Figure(
                    f"window of {pages:,} pages, {name}",
                    "round trips a page",
                    "<= 3",
                    f"{mean:.2f}",
                    mean <= 3,
                    f"{counted:,} in all",
                )
            )
    return figures


def _counted(databases: Databases, name: str, rows: Rows) -> int:
    stripe = rows.stripe(NOW)
    clock = StandingClock(NOW)
    with (
        databases.filled(generated=rows.select(stripe)) as template,
        databases.copy_of(template) as url,
        tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder,
        account(url, NOWHERE, KEY, paced=False, clock=clock) as opened,
        _traced(Path(folder)),
    ):
        run = measured(replace(opened, stripe=stripe), SweepKind.WINDOW)
        tell(name, run)
        return sum(_trips(trace.read_text()) for trace in Path(folder).iterdir())


@contextmanager
def _traced(folder: Path) -> Iterator[None]:
    """Let every connection that is made write down what goes over the wire."""
    getconn = connections.ConnectionPool.getconn
    files: dict[int, object] = {}

    def traced(pool: connections.ConnectionPool[connections.Connection]) -> connections.Connection:
        connection = getconn(pool)
        if id(connection) not in files:
            # kept open and kept at all: libpq writes by the descriptor, and an id may come again
            file = (folder / str(len(files))).open("wb")
            files[id(connection)] = (connection, file)
            connection.pgconn.trace(file.fileno())
        return connection

    with mock.patch.object(connections.ConnectionPool, "getconn", traced):
        yield
    for connection, file in files.values():  # type: ignore[misc]
        if not connection.closed:
            connection.pgconn.untrace()
        file.close()


def _trips(trace: str) -> int:
    """Waits for an answer, without those for a transaction's mere beginning or end."""
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
            counted += not _only_ends(statements)
            statements = []
        before = kind
    return counted


def _only_ends(statements: list[str]) -> bool:
    return bool(statements) and all(_ENDS.search(line) for line in statements)
