"""The clock: the only module that reads the time or lets a thread sleep.

All other code takes a :class:`Clock`, so that a test never waits and a demonstration can simulate a month in a second.
Decisions about money use Stripe's own time (the ``Date`` header of its answers). This clock is for rate limits,
timeouts, and timestamps of events that Stripe does not date.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The wall-clock time, a monotonic counter, and two ways to wait."""

    def now(self) -> datetime:
        """The wall-clock time in UTC, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Seconds on a counter that never goes back. Only the difference of two values has a meaning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long. Returns at once for zero or less."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until ``event`` is set or ``seconds`` have passed. Returns True if it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(0.0, seconds))


class ManualClock:
    """A clock for tests and the demonstration: it moves only if it is advanced, and sleeping advances it. Thread-safe."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start of a clock needs a time zone")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._monotonic

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.advance(timedelta(seconds=seconds))

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not event.is_set():
            self.sleep(seconds)
        return event.is_set()

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        with self._lock:
            self._now += by
            self._monotonic += by.total_seconds()
