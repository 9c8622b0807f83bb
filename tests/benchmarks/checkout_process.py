"""A merchant's checkout in a process of its own, which times its statements: ``python -m tests.benchmarks.checkout_process``.

At a steady rate it inserts pending rows, updates rows that the service does not touch, and updates rows that the service
is about to correct: those near the last correction. A second connection probes whether such a row is locked, and if so
times how long it waits for the lock. :class:`CheckoutProcess` starts it, tells it the phase of the benchmark, and asks for
its figures. The process ends when its standard input ends.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.errors import LockNotAvailable

from tests.benchmarks.service_process import REPOSITORY

INSERT, UPDATE, UPDATE_CORRECTED = "INSERT", "UPDATE of others", "UPDATE of rows in correction"
KINDS = (INSERT, UPDATE, UPDATE_CORRECTED)
NEAR = 60
"""So many wrong rows on either side of the last correction count as about to be corrected: some pages of them."""
FIRST_NEW_KEY = 1_000_000_000
PROBE_SECONDS = 0.005
LAST_CORRECTION_SECONDS = 0.02
NEW_ROW = (
    "INSERT INTO payments (id, pi, status, amount, currency, created_at)"
    " VALUES (%s, NULL, 'pending', 1250, 'eur', now())"
)
OTHER_ROW = "UPDATE payments SET status = 'paid' WHERE id = %s"
SAME_ROW = "UPDATE payments SET status = status WHERE id = %s"
"""The status stays the same, or nothing would be left to correct; lock and write are the same as for a change."""
PROBE = "SELECT FROM payments WHERE id = %s FOR NO KEY UPDATE NOWAIT"
WAIT = "SELECT FROM payments WHERE id = %s FOR NO KEY UPDATE"
LAST = "SELECT payment_key::bigint FROM reconciler.outbox ORDER BY id DESC LIMIT 1"


@dataclass
class PhaseTimes:
    """The times of one phase, in milliseconds: of each kind of statement, and of each wait for a lock."""

    statements: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits: list[float] = field(default_factory=list)
    probes: int = 0


class CheckoutProcess:
    """A running checkout; use it in a with block.

    ``pending`` are the keys of rows that the service will correct, ``others`` of rows that it will not touch.
    """

    def __init__(
        self, url: str, statements_per_second: int, pending: Sequence[int], others: Sequence[int]
    ):
        self._options = {
            "url": url,
            "statements_per_second": statements_per_second,
            "pending": list(pending),
            "others": list(others),
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.checkout_process"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._command(json.dumps(self._options))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()

        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

        process.stdout.close()

    def set_phase(self, name: str) -> None:
        """From now on the times belong to this phase."""
        self._command(name)

    def times(self) -> dict[str, PhaseTimes]:
        """The times until now, by phase."""
        return {name: PhaseTimes(**found) for name, found in self._command("times").items()}

    def _command(self, command: str) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the checkout's process is not running")
        process.stdin.write(f"{command}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the checkout's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Checkout:
    """The checkout inside its process: three threads, each with its own connection."""

    def __init__(
        self, url: str, statements_per_second: int, pending: list[int], others: list[int]
    ) -> None:
        self._url = url
        self._statements_per_second = statements_per_second
        self._pending = pending
        self._others = others
        self._phases: dict[str, PhaseTimes] = defaultdict(PhaseTimes)
        self._last: int | None = None
        self._stopping = threading.Event()
        self.phase = "start"
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._execute_statements, self._follow_corrections, self._probe_locks)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def times(self) -> dict[str, Any]:
        """The times by phase, as JSON values. Raises RuntimeError if a thread has ended: its times would be too good."""
        if not all(thread.is_alive() for thread in self._threads):
            raise RuntimeError("one of the checkout's threads has ended")
        return {
            name: {
                "statements": {kind: list(found) for kind, found in times.statements.items()},
                "waits": list(times.waits),
                "probes": times.probes,
            }
            for name, times in list(self._phases.items())
        }

    def _execute_statements(self) -> None:
        chance = random.Random(1)
        key = FIRST_NEW_KEY

        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            began, done = time.perf_counter(), 0

            while not self._stopping.wait(
                max(0.0, began + done / self._statements_per_second - time.perf_counter())
            ):
                kind = KINDS[done % len(KINDS)]
                if kind == INSERT:
                    key += 1
                    statement, parameter = NEW_ROW, key
                elif kind == UPDATE:
                    statement, parameter = OTHER_ROW, chance.choice(self._others)
                else:
                    statement, parameter = SAME_ROW, self._near(chance)
                phase = self.phase
                start = time.perf_counter()
                connection.execute(statement, (parameter,))
                taken = (time.perf_counter() - start) * 1e3
                self._phases[phase].statements[kind].append(taken)
                done += 1

    def _follow_corrections(self) -> None:
        """Keep up with the row that the service corrected last."""
        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            while not self._stopping.wait(LAST_CORRECTION_SECONDS):
                row = connection.execute(LAST).fetchone()
                self._last = None if row is None else row[0]

    def _probe_locks(self) -> None:
        """Time only waits for a lock: whether a row is locked is found out first, without waiting."""
        chance = random.Random(2)
        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            while not self._stopping.wait(PROBE_SECONDS):
                times, key = self._phases[self.phase], self._near(chance)
                times.probes += 1
                try:
                    connection.execute(PROBE, (key,))
                except LockNotAvailable:
                    start = time.perf_counter()
                    connection.execute(WAIT, (key,))
                    times.waits.append((time.perf_counter() - start) * 1e3)

    def _near(self, chance: random.Random) -> int:
        """A row to be corrected, near the last correction if there was one."""
        if self._last is None:
            return chance.choice(self._pending)
        place = bisect(self._pending, self._last) + chance.randint(-NEAR, NEAR)
        return self._pending[place % len(self._pending)]


def _serve() -> None:
    checkout = Checkout(**json.loads(sys.stdin.readline()))
    checkout.start()
    _answer({})
    for line in sys.stdin:
        command = line.strip()
        if command == "times":
            _answer(checkout.times())
        else:
            checkout.phase = command
            _answer({})


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
