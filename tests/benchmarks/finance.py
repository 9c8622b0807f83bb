"""What finance waits for: a statement, ``verify`` and ``export`` over a year's ledger, each as the command that a person runs.

A figure of time is of the whole command, from its start to its end. ``verify`` is compared with a bare loop of json.dumps
with sorted keys and SHA-256 over the same entries in the same run, because machines differ from day to day.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.databases import Databases, query_rows
from tests.benchmarks.figures import Figure, load, print_line, spread
from tests.benchmarks.finance_year import MONTH, FinanceYear
from tests.benchmarks.options import Options

REPOSITORY = Path(__file__).parents[2]
BARE_ENTRIES = 20_000
MOST_MEMORY = 150
_MEASURE = """
import os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process starts the command, because a process is counted the memory of the one that started it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What one run of a command took: seconds, seconds of CPU without the database's, and the most memory in MB."""

    seconds: float
    processor_seconds: float
    memory: float


class Runner:
    """Runs commands of the program against a database."""

    def __init__(self, url: str, folder: Path, runs: int) -> None:
        self._environ = {"PATH": os.defpath, "HOME": str(folder), "DATABASE_URL": url}
        self._runs = runs

    def run(self, *arguments: str) -> list[Command]:
        """Run a command several times, each in a process of its own. Raises RuntimeError if it fails."""
        return [self._once(arguments) for _ in range(self._runs)]

    def _once(self, arguments: tuple[str, ...]) -> Command:
        done = subprocess.run(
            [sys.executable, "-S", "-c", _MEASURE, sys.executable, "-m", "reconciler", *arguments],
            cwd=REPOSITORY,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
        made = Command(*map(float, done.stdout.split()))
        print_line(
            f"  {' '.join(arguments[:3])}: {made.seconds:.1f} s, of it {made.processor_seconds:.1f} s of CPU without"
            f" the database's, {made.memory:.0f} MB ({load()})"
        )
        return made


@contextmanager
def year(options: Options) -> Iterator[tuple[Runner, FinanceYear, str, Path]]:
    """A database with a year in it, and what runs commands against it."""
    made = FinanceYear(options.sized(tiny=300, usual=20_000, full=100_000))
    with (
        tempfile.TemporaryDirectory() as name,
        Databases(options.postgres) as databases,
        databases.filled() as template,
        databases.copy_of(template) as url,
    ):
        made.fill(url)
        yield Runner(url, Path(name), options.repeated(usual=1)), made, url, Path(name)


def run_statement(options: Options) -> list[Figure]:
    """The statement of a month, now and as of a past day."""
    with year(options) as (runner, made, _, _folder):
        name = f"statement, {made.rounds:,} discrepancies"
        figures = []
        for what, arguments in (
            ("of a month", ("statement", MONTH)),
            ("as of a past day", ("statement", "2026-09", "--as-of", "2026-10-20")),
        ):
            figures += _of_time(name, what, runner.run(*arguments), 5)
    return figures


def run_verify(options: Options) -> list[Figure]:
    """``verify`` beside a bare loop."""
    with year(options) as (runner, _, url, _folder):
        ((entries,),) = query_rows(url, "SELECT seq FROM reconciler.ledger_heads")
        bare = _bare_loop(url)
        commands = runner.run("verify")
    speed = [int(str(entries)) / one.seconds for one in commands]
    ratio = max(speed) / bare
    return [
        Figure(
            "verify",
            "entries/s over those of a bare loop",
            ">= 0.33",
            f"{ratio:.2f}",
            ratio >= 1 / 3,
            f"{spread(speed)} entries/s beside {bare:.0f}",
        ),
        _memory("verify", commands),
    ]


def run_export(options: Options) -> list[Figure]:
    """``export`` as jsonl and as CSV."""
    figures = []
    with year(options) as (runner, made, url, folder):
        ((entries,),) = query_rows(url, "SELECT seq FROM reconciler.ledger_heads")
        rows = int(str(entries)) + made.rounds
        for kind, output in (("jsonl", "export.jsonl"), ("csv", "export")):
            commands = runner.run("export", "--format", kind, "--output", str(folder / output))
            speed = [rows / one.seconds for one in commands]
            figures.append(
                Figure(
                    f"export, {kind}",
                    "rows/s",
                    ">= 50,000",
                    spread(speed),
                    max(speed) >= 50_000,
                    f"{rows:,} rows",
                )
            )
            figures.append(_memory(f"export, {kind}", commands))
    return figures


def _of_time(name: str, what: str, commands: list[Command], most: float) -> list[Figure]:
    seconds = [one.seconds for one in commands]
    return [
        Figure(name, f"{what}, s", f"<= {most:g}", spread(seconds, ".1f"), min(seconds) <= most),
        _memory(f"{name}, {what}", commands),
    ]


def _memory(name: str, commands: list[Command]) -> Figure:
    most = max(one.memory for one in commands)
    return Figure(
        name, "most resident, MB", f"<= {MOST_MEMORY}", f"{most:.0f}", most <= MOST_MEMORY
    )


def _bare_loop(url: str) -> float:
    """Entries a second that a loop of json.dumps with sorted keys and SHA-256 takes."""
    query = (
        "SELECT json_build_object('account', account, 'seq', seq, 'at', at, 'action', action, 'body', body,"
        f" 'prev', prev, 'role', role, 'v', 2) FROM reconciler.ledger ORDER BY seq LIMIT {BARE_ENTRIES}"
    )
    entries = [row[0] for row in query_rows(url, query)]
    began = time.monotonic()
    for entry in entries:
        hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    return len(entries) / (time.monotonic() - began)
