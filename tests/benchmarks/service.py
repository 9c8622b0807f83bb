"""The service as its user starts it: a process of its own, whose log is read line by line."""

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

from tests.benchmarks.program import CONFIGURATION

REPOSITORY = Path(__file__).parents[2]
LONGEST = 120.0
"""Seconds after which a benchmark gives up waiting."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log, and when it was read: seconds of the monotonic clock."""

    at: float
    event: str
    fields: Mapping[str, Any]

    def fits(self, event: str, wanted: Mapping[str, object]) -> bool:
        """Whether it is such an event, with these fields."""
        return self.event == event and all(self.fields.get(key) == wanted[key] for key in wanted)


def of_the_unit() -> dict[str, str]:
    """The environment that the shipped unit gives the service, but for its home and its configuration."""
    unit = (REPOSITORY / "systemd" / "reconciler.service").read_text(encoding="utf-8")
    lines = [line for line in unit.splitlines() if line.startswith("Environment=")]
    pairs = [pair.split("=", 1) for line in lines for pair in line.split("=", 1)[1].split()]
    return {name: value for name, value in pairs if name not in ("HOME", "RECONCILER_CONFIG")}


class Service:
    """A replica that may be started again after it has ended. ``environ`` is all that it gets."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lines: list[Line] = []
        self._told = threading.Condition()
        self.process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process's number."""
        if self.process is None:
            raise RuntimeError("the service was never started")
        return self.process.pid

    def start(self) -> None:
        """Start it, with an empty log."""
        lines = self._lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "run"],
            cwd=REPOSITORY,
            env={"PATH": os.defpath, **of_the_unit(), **self._environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process, lines), daemon=True).start()

    def lines(self, event: str, **fields: object) -> list[Line]:
        """What the log has told until now of such events."""
        with self._told:
            return [line for line in self._lines if line.fits(event, fields)]

    def has_told(self, event: str) -> bool:
        """Whether such an event is in the log."""
        return bool(self.lines(event))

    def wait_for(
        self, event: str, *, seconds: float = LONGEST, after: float = 0.0, **fields: object
    ) -> Line:
        """The first such event that was read after a moment. Raises RuntimeError where none comes in time."""
        until = time.monotonic() + seconds
        with self._told:
            while True:
                for line in self._lines:
                    if line.at > after and line.fits(event, fields):
                        return line
                left = until - time.monotonic()
                ended = self.process is None or self.process.poll() is not None
                if left <= 0 or ended:
                    last = "\n".join(
                        f"{line.event} {dict(line.fields)}" for line in self._lines[-10:]
                    )
                    raise RuntimeError(f"the service's log does not tell of {event}:\n{last}")
                self._told.wait(min(left, 1.0))

    def end(self, number: int = signal.SIGTERM) -> int | None:
        """Signal it and wait; its exit code, None where it was never started."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """End it at once where it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def _read(self, process: subprocess.Popen[str], lines: list[Line]) -> None:
        assert process.stderr is not None
        with process.stderr as read:
            for text in read:
                try:
                    fields = json.loads(text)
                except ValueError:
                    fields = {"event": text.strip()}
                with self._told:
                    lines.append(Line(time.monotonic(), str(fields.get("event")), fields))
                    self._told.notify_all()
        with self._told:
            self._told.notify_all()


@contextmanager
def environment(
    database: str, api_base: str, key: str, **settings: str
) -> Iterator[dict[str, str]]:
    """What a service or a command gets. ``settings`` are keys of the configuration, as ``service__tail="10s"``."""
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
def replicas(count: int, environ: Mapping[str, str]) -> Iterator[list[Service]]:
    """So many services, none of them started; what still runs at the end is ended."""
    group = [Service(environ) for _ in range(count)]
    try:
        yield group
    finally:
        for service in group:
            service.close()
