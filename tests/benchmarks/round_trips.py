"""Database round trips a page, counted from libpq's own trace of every connection of a sweep.

A round trip is where the program waits for the server: a Sync, a simple Query, or a Flush that follows no Sync. One that
holds nothing but BEGIN, COMMIT or ROLLBACK is not counted. A page's own are those of loading and of recording it; the rest
of the sweep is told beside them: the lease, the search for what to ask, the books and the end.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.report import SweepKind
from tests.benchmarks.figures import Figure
from tests.benchmarks.options import Options
from tests.benchmarks.program import account, measured, tell
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.rows_in_sql import Rows
from tests.benchmarks.shop import Databases
from tests.benchmarks.standing_clock import StandingClock
from tests.benchmarks.stripe_process import KEY

OF_A_PAGE = ("loading a page", "recording a page")
"""What the program calls the two in its messages."""
_ENDS = re.compile(r'"(?:BEGIN|COMMIT|ROLLBACK)[^"]*"')


def run(options: Options) -> list[Figure]:
    """The mean over a window sweep in which every page has something to correct, and in which none has."""
    intents = options.sized(tiny=1_000, usual=10_000, full=100_000)
    figures = []
    with Databases(options.postgres) as databases:
        for name, rows in {
            "every page has corrections": Rows(intents),
            "everything agrees": Rows(intents, open_every=intents, wrong_every=1),
        }.items():
            pages, counted = _counted(databases, name, rows)
            own = sum(counted[doing] for doing in OF_A_PAGE)
            figures.append(
                Figure(
                    f"window of {pages:,} pages, {name}",
                    "round trips a page",
                    "<= 3",
                    f"{own / pages:.2f}",
                    own <= 3 * pages,
                    f"{counted.total() - own} more in all of the pass",
                )
            )
    return figures


def _counted(databases: Databases, name: str, rows: Rows) -> tuple[int, Counter[str]]:
    """The pages of a sweep, and its round trips by what they were for."""
    stripe = rows.stripe(NOW)
    clock = StandingClock(NOW)
    with (
        databases.filled(generated=rows.select(stripe)) as template,
        databases.copy_of(template) as url,
        tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder,
        account(url, NOWHERE, KEY, paced=False, clock=clock) as opened,
        _traced(Path(folder)) as counted,
    ):
        tell(name, measured(replace(opened, stripe=stripe), SweepKind.WINDOW))
        return stripe.spent[Endpoint.LIST], counted


@contextmanager
def _traced(folder: Path) -> Iterator[Counter[str]]:
    """Let every connection write down what goes over the wire for as long as it is in use."""
    borrow = Database.connection
    counted: Counter[str] = Counter()
    numbers = itertools.count()

    @contextmanager
    def traced(database: Database, doing: str) -> Iterator[Connection]:
        path = folder / str(next(numbers))
        with borrow(database, doing) as connection, path.open("wb") as file:
            connection.pgconn.trace(file.fileno())
            try:
                yield connection
            finally:
                connection.pgconn.untrace()
                counted[doing] += _trips(path.read_text())
                path.unlink()

    with mock.patch.object(Database, "connection", traced):
        yield counted


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
