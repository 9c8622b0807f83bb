"""Whether the work moves: which sweeps are running, what else is at work, and when each last moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.clock import Clock


@dataclass(slots=True, eq=False)
class _Running:
    name: str
    is_sweep: bool
    moved_at: float
    reads: Callable[[], int]
    reads_seen: int
    rests: bool = False


class SweepPulse:
    """The pulse of one running sweep: each page that it goes on by is a beat."""

    def __init__(self, pulse: Pulse, running: _Running) -> None:
        self._pulse = pulse
        self._running = running

    def advance(self, examined: int, total: int | None) -> None:  # noqa: ARG002 - a Progress
        """A page was examined."""
        self._pulse.beat(self._running)


class Steps:
    """The pulse of a thread's other work, such as its main loop: each step of it is a beat."""

    def __init__(self, pulse: Pulse, running: _Running) -> None:
        self._pulse = pulse
        self._running = running

    def advance(self) -> None:
        """A step was made."""
        self._pulse.beat(self._running)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """For the length of the block it waits for the clock, or for something that is watched by itself."""
        self._pulse.beat(self._running, rests=True)
        try:
            yield
        finally:
            self._pulse.beat(self._running)


class Pulse:
    """All that is at work in the process. A sweep that neither ends a page nor a read for ``stall`` seconds is stuck.

    Reads count as well as pages: a page may have to wait long for its turn in Stripe's budget. Other work is stuck
    where it makes no step for so long and does not rest.
    """

    def __init__(self, clock: Clock, stall: float) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self.stall = stall

    @contextmanager
    def watching(self, name: str, reads: Callable[[], int]) -> Iterator[SweepPulse]:
        """Watch a sweep for the length of the block. ``reads`` counts what it has asked Stripe."""
        running = _Running(name, True, self._clock.monotonic(), reads, reads())
        with self._listed(running):
            yield SweepPulse(self, running)

    @contextmanager
    def attending(self, name: str) -> Iterator[Steps]:
        """Watch what is no sweep for the length of the block: it never counts as one that runs."""
        running = _Running(name, False, self._clock.monotonic(), lambda: 0, 0)
        with self._listed(running):
            yield Steps(self, running)

    def beat(self, running: _Running, *, rests: bool = False) -> None:
        """It has gone on by a page or a step; whether it rests from now on."""
        with self._lock:
            running.moved_at, running.rests = self._clock.monotonic(), rests

    def running(self) -> tuple[str, ...]:
        """The sweeps that are being made now."""
        with self._lock:
            return tuple(sorted({one.name for one in self._running if one.is_sweep}))

    def stuck(self) -> tuple[str, ...]:
        """The sweeps, and what else is at work, that do not move."""
        now = self._clock.monotonic()
        with self._lock:
            for running in self._running:
                reads = running.reads()
                if reads != running.reads_seen:
                    running.reads_seen, running.moved_at = reads, now
            return tuple(
                sorted(
                    {
                        one.name
                        for one in self._running
                        if not one.rests and now - one.moved_at > self.stall
                    }
                )
            )

    @contextmanager
    def _listed(self, running: _Running) -> Iterator[None]:
        with self._lock:
            self._running.append(running)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(running)
