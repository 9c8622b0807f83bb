"""The service in a process of its own, whose log is read line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.measured_sweeps import CONFIGURATION

REPOSITORY = Path(__file__).parents[2]
LONGEST_SECONDS = 120.0
"""Seconds after which a benchmark gives up waiting."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log, and the monotonic time at which it was read."""

    at: float
    event: str
    fields: Mapping[str, Any]

    def matches(self, event: str, wanted: Mapping[str, object]) -> bool:
        """Whether the line is of this event and has these fields."""
        return self.event == event and all(self.fields.get(key) == wanted[key] for key in wanted)


def unit_environment() -> dict[str, str]:
    """The environment variables of the shipped unit, without HOME and RECONCILER_CONFIG."""
    unit = (REPOSITORY / "systemd" / "reconciler.service").read_text(encoding="utf-8")
    lines = [line for line in unit.splitlines() if line.startswith("Environment=")]
    pairs = [pair.split("=", 1) for line in lines for pair in line.split("=", 1)[1].split()]
    return {name: value for name, value in pairs if name not in ("HOME", "RECONCILER_CONFIG")}


class ServiceProcess:
    """A replica, which can be started again after it has ended. Its environment is ``environ`` and the unit's."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lines: list[LogLine] = []
        self._new_line = threading.Condition()
        self.process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        if self.process is None:
            raise RuntimeError("the service was never started")
        return self.process.pid

    def start(self) -> None:
        """Start it, with an empty log."""
        lines = self._lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "run"],
            cwd=REPOSITORY,
            env={"PATH": os.defpath, **unit_environment(), **self._environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process, lines), daemon=True).start()

    def lines(self, event: str, **fields: object) -> list[LogLine]:
        """The lines of the log so far that are of this event and have these fields."""
        with self._new_line:
            return [line for line in self._lines if line.matches(event, fields)]

    def has_logged(self, event: str) -> bool:
        """Whether the log has a line of this event."""
        return bool(self.lines(event))

    def wait_for(
        self, event: str, *, seconds: float = LONGEST_SECONDS, after: float = 0.0, **fields: object
    ) -> LogLine:
        """Wait for the first line of this event, with these fields, that is read later than ``after``.

        Raises RuntimeError if none comes within ``seconds``, or the process ends before.
        """
        until = time.monotonic() + seconds

        with self._new_line:
            while True:
                for line in self._lines:
                    if line.at > after and line.matches(event, fields):
                        return line
                left = until - time.monotonic()
                ended = self.process is None or self.process.poll() is not None
                if left <= 0 or ended:
                    last = "\n".join(
                        f"{line.event} {dict(line.fields)}" for line in self._lines[-10:]
                    )
                    raise RuntimeError(f"the service's log has no line of {event}:\n{last}")

                self._new_line.wait(min(left, 1.0))

    def end(self, number: int = signal.SIGTERM) -> int | None:
        """Send a signal and wait for the end; returns the exit code, None if it was never started."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """Kill the process if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def _read(self, process: subprocess.Popen[str], lines: list[LogLine]) -> None:
        assert process.stderr is not None
        with process.stderr as read:
            for text in read:
                try:
                    fields = json.loads(text)
                except ValueError:
                    fields = {"event": text.strip()}
                with self._new_line:
                    lines.append(LogLine(time.monotonic(), str(fields.get("event")), fields))
                    self._new_line.notify_all()
        with self._new_line:
            self._new_line.notify_all()


@contextmanager
def environment(
    database: str, api_base: str, key: str, **settings: str
) -> Iterator[dict[str, str]]:
    """The environment of a service or a command. ``settings`` are configuration keys, such as ``service__tail="10s"``."""
    with tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder:
        path = Path(folder) / "reconciler.toml"
        path.write_text(CONFIGURATION.format(api_base=api_base), encoding="utf-8")
        given = {f"RECONCILER_{name.upper()}": value for name, value in settings.items()}
        yield {
            "STRIPE_API_KEY": key,
            "DATABASE_URL": database,
            "RECONCILER_CONFIG": str(path),
            "RECONCILER_SERVICE__LISTEN": "",
            **given,
        }


@contextmanager
def replicas(count: int, environ: Mapping[str, str]) -> Iterator[list[ServiceProcess]]:
    """So many services, none of them started; those that still run at the end of the block are killed."""
    group = [ServiceProcess(environ) for _ in range(count)]
    try:
        yield group
    finally:
        for service in group:
            service.close()
