"""Whether the work moves: which passes are running, and when each last moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.clock import Clock


@dataclass(slots=True)
class _Running:
    moved_at: float
    reads: Callable[[], int]
    reads_seen: int
    pages: int = 0


class PassPulse:
    """The pulse of one running pass: each page that it goes on by is a beat."""

    def __init__(self, pulse: Pulse, name: str) -> None:
        self._pulse = pulse
        self._name = name

    def advance(self, examined: int, total: int | None) -> None:  # noqa: ARG002 - a Progress
        """A page was examined."""
        self._pulse.beat(self._name)


class Pulse:
    """All running passes of the process. A pass that neither ends a page nor a read for ``stall`` seconds is stuck.

    Reads count as well as pages: a page may have to wait long for its turn in Stripe's budget.
    """

    def __init__(self, clock: Clock, stall: float) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self.stall = stall

    @contextmanager
    def watching(self, name: str, reads: Callable[[], int]) -> Iterator[PassPulse]:
        """Watch a pass for the length of the block. ``reads`` counts what it has asked Stripe."""
        with self._lock:
            self._running[name] = _Running(self._clock.monotonic(), reads, reads())
        try:
            yield PassPulse(self, name)
        finally:
            with self._lock:
                del self._running[name]

    def beat(self, name: str) -> None:
        """The pass of that name has gone on by a page."""
        with self._lock:
            running = self._running.get(name)
            if running is not None:
                running.moved_at = self._clock.monotonic()
                running.pages += 1

    def running(self) -> tuple[str, ...]:
        """The passes that are being made now."""
        with self._lock:
            return tuple(sorted(self._running))

    def stuck(self) -> tuple[str, ...]:
        """The passes that do not move."""
        now = self._clock.monotonic()
        with self._lock:
            for running in self._running.values():
                reads = running.reads()
                if reads != running.reads_seen:
                    running.reads_seen, running.moved_at = reads, now
            return tuple(
                sorted(
                    name
                    for name, running in self._running.items()
                    if now - running.moved_at > self.stall
                )
            )
