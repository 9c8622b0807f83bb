"""The service as its user starts it: a process of its own, whose log is read line by line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY, Faults, Sandbox, SandboxServer
from tests.conftest import MakeShop, Shop

REPOSITORY = Path(__file__).parents[3]
LONGEST = 40.0
"""Seconds that anything may take before a test gives up."""
HOUR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
CONFIGURATION = """
[stripe]
livemode = false
[payments]
table = "public.payments"
key = "id"
payment_intent = "stripe_payment_intent_id"
status = "status"
amount = "amount"
currency = "currency"
created = "created_at"
updated = "updated_at"
order = "order_id"
[payments.read]
pending = "incomplete"
failed = "failed"
processing = "processing"
authorized = "authorized"
paid = "succeeded"
canceled = "canceled"
[payments.write]
failed = "failed"
processing = "processing"
authorized = "authorized"
succeeded = "paid"
canceled = "canceled"
[corrections]
mode = "{mode}"
grace = "1s"
per_hour = {per_hour}
[budget]
share = 1
reads_per_30_days = 100000000
global_per_second = {speed}
endpoint_per_second = {speed}
[service]
listen = "127.0.0.1:0"
lease = "{lease}"
stall = "{stall}"
due = "{due}"
"""
USUAL = {
    "mode": "update",
    "per_hour": 100_000,
    "speed": 2000,
    "lease": "4s",
    "stall": "1m",
    "due": "5m",
}


class Daemon:
    """A running service."""

    def __init__(self, environ: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments, "run"],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.finished = threading.Event()
        self._new: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._new.put(line)
        self._new.put(None)
        self.finished.set()

    def line(self, fits: Callable[[str], bool], seconds: float = LONGEST) -> str:
        """The next line of the log that fits."""
        clock = SystemClock()
        until = clock.monotonic() + seconds
        while (left := until - clock.monotonic()) > 0:
            try:
                line = self._new.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            assert TEST_KEY not in line
            self.lines.append(line)
            if fits(line):
                return line
        raise AssertionError("the log does not say so:\n" + "".join(self.lines[-40:]))

    def event(self, name: str, seconds: float = LONGEST, **fields: object) -> dict[str, Any]:
        """The next event of that name and with these fields."""

        def fits(line: str) -> bool:
            if not line.startswith("{"):
                return False
            found = json.loads(line)
            return found["event"] == name and all(
                found.get(key) == value for key, value in fields.items()
            )

        found: dict[str, Any] = json.loads(self.line(fits, seconds))
        return found

    @property
    def unread(self) -> int:
        """Lines of the log that nobody has looked at yet."""
        return self._new.qsize()

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; its exit code."""
        self.send(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(LONGEST)
        self._reader.join(LONGEST)
        while not self._new.empty():
            self.lines.append(self._new.get() or "")
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LONGEST)
        self._reader.join(LONGEST)
        assert self.process.stderr is not None
        self.process.stderr.close()


class Town:
    """A shop with an empty table, its Stripe, and services and commands over them."""

    def __init__(self, shop: Shop, server: SandboxServer, folder: Path) -> None:
        self.shop = shop
        self.server = server
        self.stripe: Sandbox = server.sandbox
        self.config = folder / "reconciler.toml"
        self.environ = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": shop.url,
            "RECONCILER_CONFIG": str(self.config),
            "RECONCILER_STRIPE__API_BASE": server.url,
        }
        self.daemons: list[Daemon] = []
        self._numbers = 0
        self.configure()

    def configure(self, **changes: object) -> None:
        text = CONFIGURATION.format(**{**USUAL, **changes})
        tomllib.loads(text)
        self.config.write_text(text, encoding="utf-8")

    def pay(self, count: int = 1, *, paid: bool = True) -> list[str]:
        """Payments that were made an hour ago and whose webhooks were lost."""
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        intents = []
        for _ in range(count):
            intent = self.stripe.create_payment(1250, "eur", at=at)
            if paid:
                self.stripe.succeed(intent.id, at=at)
            intents.append(intent.id)
        with psycopg.connect(self.shop.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
                " VALUES (%s, %s, 'pending', 1250, 'eur', %s)",
                [(self._numbers + place, intent, at) for place, intent in enumerate(intents, 1)],
            )
        self._numbers += count
        return intents

    def window_was_read(self) -> None:
        """The day's window sweep has been made already: the due sweep works alone."""
        self.execute(
            "INSERT INTO reconciler.sweeps"
            " (account, kind, mode, applied, asked_by, finished_at, complete, report)"
            " VALUES ('default', 'window', 'update', true, 'service', now(), true, '{}')"
        )

    def start(self, *arguments: str, **environ: str) -> Daemon:
        """A service; the fixture ends it."""
        daemon = Daemon({**self.environ, **environ}, *arguments)
        self.daemons.append(daemon)
        return daemon

    def begin(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Carry out a command: its exit code and what it said."""
        process = self.begin(*arguments, **environ)
        out, err = process.communicate(timeout=LONGEST)
        assert "Traceback" not in err
        return process.returncode, out, err

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.shop.url, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def execute(self, query: str) -> None:
        with psycopg.connect(self.shop.url, autocommit=True) as connection:
            connection.execute(query)  # type: ignore[call-overload]

    def statuses(self) -> dict[str, int]:
        return dict(self.ask("SELECT status, count(*) FROM payments GROUP BY 1"))

    def get(self, port: int, path: str) -> tuple[int, str]:
        """What the service answers on its port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                return error.code, error.read().decode()


@pytest.fixture
def town(shop: MakeShop, tmp_path: Path) -> Iterator[Town]:
    """A shop with an empty table and a Stripe without payments."""
    with SandboxServer(Sandbox(SystemClock(), faults=Faults())) as server:
        made = Town(shop(), server, tmp_path)
        try:
            yield made
        finally:
            for daemon in made.daemons:
                daemon.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, Callable[[str], None]]]:
    """A service manager's socket, and how to wait for a message on it."""
    address = f"@reconciler-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind("\0" + address[1:])
        ours.settimeout(LONGEST)
        heard: list[str] = []

        def wait_for(message: str) -> None:
            while True:
                heard.append(ours.recv(4096).decode())
                if message in heard[-1]:
                    return

        yield address, wait_for
