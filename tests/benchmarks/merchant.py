"""A merchant's checkout in a process of its own, timing its statements: ``python -m tests.benchmarks.merchant``.

At a steady rate it inserts pending rows, updates rows that nobody else is interested in, and updates rows that the service
is just then about to correct: those near to the last correction. Beside it a second connection
tries whether such a row is locked, and where it is, times how long it has to wait for it. It is started, told of its phases
and asked for its figures by :class:`Merchant`; when its standard input ends, so does it.
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

from tests.benchmarks.service import REPOSITORY

INSERT, UPDATE, UPDATE_CORRECTED = "INSERT", "UPDATE of others", "UPDATE of rows in correction"
KINDS = (INSERT, UPDATE, UPDATE_CORRECTED)
NEAR = 60
"""How many wrong rows to either side of the last correction count as being corrected just then: some pages of them."""
FIRST_NEW_KEY = 1_000_000_000
PROBE_SECONDS = 0.005
LOOK_SECONDS = 0.02
NEW_ROW = (
    "INSERT INTO payments (id, pi, status, amount, currency, created_at)"
    " VALUES (%s, NULL, 'pending', 1250, 'eur', now())"
)
OTHER_ROW = "UPDATE payments SET status = 'paid' WHERE id = %s"
SAME_ROW = "UPDATE payments SET status = status WHERE id = %s"
"""The status stays, or the checkout would soon have left nothing to correct; the lock and the write are the same."""
TRY = "SELECT FROM payments WHERE id = %s FOR NO KEY UPDATE NOWAIT"
WAIT = "SELECT FROM payments WHERE id = %s FOR NO KEY UPDATE"
LAST = "SELECT payment_key::bigint FROM reconciler.outbox ORDER BY id DESC LIMIT 1"


@dataclass
class Timed:
    """What was measured in one phase, in milliseconds."""

    statements: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    waits: list[float] = field(default_factory=list)
    probes: int = 0


class Merchant:
    """A running checkout; use it in a with block. ``pending`` are the keys that the service will correct."""

    def __init__(self, url: str, a_second: int, pending: Sequence[int], others: Sequence[int]):
        self._options = {
            "url": url,
            "a_second": a_second,
            "pending": list(pending),
            "others": list(others),
        }
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.merchant"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask(json.dumps(self._options))
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

    def phase(self, name: str) -> None:
        """From now on figures belong to that phase."""
        self._ask(name)

    def timed(self) -> dict[str, Timed]:
        """What was measured until now, by phase."""
        return {name: Timed(**found) for name, found in self._ask("timed").items()}

    def _ask(self, question: str) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the merchant's process is not running")
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the merchant's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Checkout:
    """The process's own side: three threads, each on its own connection."""

    def __init__(self, url: str, a_second: int, pending: list[int], others: list[int]) -> None:
        self._url = url
        self._a_second = a_second
        self._pending = pending
        self._others = others
        self._phases: dict[str, Timed] = defaultdict(Timed)
        self._last: int | None = None
        self._stopping = threading.Event()
        self.phase = "start"
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._sell, self._look, self._probe)
        ]

    def start(self) -> None:
        """Open the shop."""
        for thread in self._threads:
            thread.start()

    def timed(self) -> dict[str, Any]:
        """As JSON holds it. Raises RuntimeError where a thread has died: its figures would be too good."""
        if not all(thread.is_alive() for thread in self._threads):
            raise RuntimeError("one of the merchant's threads has ended")
        return {
            name: {
                "statements": {kind: list(found) for kind, found in timed.statements.items()},
                "waits": list(timed.waits),
                "probes": timed.probes,
            }
            for name, timed in list(self._phases.items())
        }

    def _sell(self) -> None:
        chance = random.Random(1)
        key = FIRST_NEW_KEY
        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            began, done = time.perf_counter(), 0
            while not self._stopping.wait(
                max(0.0, began + done / self._a_second - time.perf_counter())
            ):
                kind = KINDS[done % len(KINDS)]
                if kind == INSERT:
                    key += 1
                    statement, of = NEW_ROW, key
                elif kind == UPDATE:
                    statement, of = OTHER_ROW, chance.choice(self._others)
                else:
                    statement, of = SAME_ROW, self._near(chance)
                phase = self.phase
                start = time.perf_counter()
                connection.execute(statement, (of,))
                taken = (time.perf_counter() - start) * 1e3
                self._phases[phase].statements[kind].append(taken)
                done += 1

    def _look(self) -> None:
        """Where the service is at work."""
        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            while not self._stopping.wait(LOOK_SECONDS):
                row = connection.execute(LAST).fetchone()
                self._last = None if row is None else row[0]

    def _probe(self) -> None:
        """The wait for a lock by itself: whether there is one is asked first, without waiting."""
        chance = random.Random(2)
        with psycopg.connect(self._url, application_name="merchant", autocommit=True) as connection:
            while not self._stopping.wait(PROBE_SECONDS):
                timed, key = self._phases[self.phase], self._near(chance)
                timed.probes += 1
                try:
                    connection.execute(TRY, (key,))
                except LockNotAvailable:
                    start = time.perf_counter()
                    connection.execute(WAIT, (key,))
                    timed.waits.append((time.perf_counter() - start) * 1e3)

    def _near(self, chance: random.Random) -> int:
        """A row that is to be corrected, near the last one where there is one."""
        if self._last is None:
            return chance.choice(self._pending)
        place = bisect(self._pending, self._last) + chance.randint(-NEAR, NEAR)
        return self._pending[place % len(self._pending)]


def _serve() -> None:
    checkout = Checkout(**json.loads(sys.stdin.readline()))
    checkout.start()
    _tell({})
    for line in sys.stdin:
        asked = line.strip()
        if asked == "timed":
            _tell(checkout.timed())
        else:
            checkout.phase = asked
            _tell({})


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
