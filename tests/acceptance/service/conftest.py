"""The service as its user starts it: a process of its own, whose log a test reads line by line."""

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
from tests.acceptance.configured_shop import REPOSITORY, ConfiguredShop, service_sections
from tests.conftest import MakeShop, Shop

LONGEST_SECONDS = 40.0
"""A test fails if it waits longer than this for anything."""
HOUR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


class Daemon:
    """A running service."""

    def __init__(
        self, environ: dict[str, str], *arguments: str, module: str = "reconciler"
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, "run"],
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

    def wait_for_line(
        self, matches: Callable[[str], bool], seconds: float = LONGEST_SECONDS
    ) -> str:
        """Wait for the next line of the log that matches."""
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
            if matches(line):
                return line
        raise AssertionError("no line of the log matches:\n" + "".join(self.lines[-40:]))

    def wait_for(
        self, event: str, seconds: float = LONGEST_SECONDS, **fields: object
    ) -> dict[str, Any]:
        """Wait for the next line of this event with these fields; returns all its fields."""

        def matches(line: str) -> bool:
            if not line.startswith("{"):
                return False
            found = json.loads(line)
            return found["event"] == event and all(
                found.get(key) == value for key, value in fields.items()
            )

        found: dict[str, Any] = json.loads(self.wait_for_line(matches, seconds))
        return found

    @property
    def unread_lines(self) -> int:
        """Lines of the log that the test has not read yet."""
        return self._new.qsize()

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end and read the rest of the log; returns the exit code."""
        code = self.process.wait(LONGEST_SECONDS)
        self._reader.join(LONGEST_SECONDS)
        while not self._new.empty():
            self.lines.append(self._new.get() or "")
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LONGEST_SECONDS)
        self._reader.join(LONGEST_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()


class ServiceInstallation(ConfiguredShop):
    """A configured shop with an empty table, and services and commands that run in processes of their own."""

    def __init__(self, shop: Shop, server: SandboxServer, folder: Path) -> None:
        super().__init__(shop, server, folder, service_sections())
        # the indexes that the doctor asks for: without them a sweep collects several pages before it examines them
        for column in ("stripe_payment_intent_id", "order_id"):
            shop.execute(f"CREATE INDEX ON payments ({column})")
        self.daemons: list[Daemon] = []
        self._payments = 0

    def configure_service(self, **changes: Any) -> None:
        """Configure the service with these arguments of ``service_sections``; the others get their defaults."""
        self.configure(**service_sections(**changes))

    def add_payments(self, count: int = 1, *, paid: bool = True) -> list[str]:
        """Add payments that were made an hour ago and whose webhooks were lost; returns the intents' ids."""
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
                [(self._payments + place, intent, at) for place, intent in enumerate(intents, 1)],
            )
        self._payments += count
        return intents

    def note_window_sweep(self) -> None:
        """Note that the day's window sweep was made: only due and tail sweeps find the payments."""
        self.execute(
            "INSERT INTO reconciler.sweeps"
            " (account, kind, mode, applied, asked_by, finished_at, complete, report)"
            " VALUES ('default', 'window', 'update', true, 'service', now(), true, '{}')"
        )

    def start(self, *arguments: str, module: str = "reconciler", **environ: str) -> Daemon:
        """Start a service, or that of another module; the fixture ends it."""
        daemon = Daemon({**self.environ, **environ}, *arguments, module=module)
        self.daemons.append(daemon)
        return daemon

    def start_command(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Run a command to its end: its exit code, standard output and standard error."""
        process = self.start_command(*arguments, **environ)
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        assert "Traceback" not in err
        return process.returncode, out, err

    def count_by_status(self) -> dict[str, int]:
        """How many rows have each status."""
        return dict(self.query("SELECT status, count(*) FROM payments GROUP BY 1"))

    def get(self, port: int, path: str) -> tuple[int, str]:
        """The status and body of the service's answer on its port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                return error.code, error.read().decode()


@pytest.fixture
def installation(shop: MakeShop, tmp_path: Path) -> Iterator[ServiceInstallation]:
    """A shop with an empty table and a Stripe without payments; its services are ended after the test."""
    with SandboxServer(Sandbox(SystemClock(), faults=Faults())) as server:
        made = ServiceInstallation(shop(), server, tmp_path)
        try:
            yield made
        finally:
            for daemon in made.daemons:
                daemon.close()


ServiceManager = tuple[str, Callable[[str], None]]
"""A notify socket's address, and a function that waits for a message on it."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    """A service manager that receives the daemon's messages, as systemd does."""
    address = f"@reconciler-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.bind("\0" + address[1:])
        notify_socket.settimeout(LONGEST_SECONDS)

        def wait_for(message: str) -> None:
            while message not in notify_socket.recv(4096).decode():
                continue

        yield address, wait_for
