"""Whether the work moves: which sweeps are running, what else is at work, and when each last moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.clock import Clock


@dataclass(slots=True, eq=False)
class _Watched:
    """One sweep or other work. ``moved_at`` is by the monotonic clock, ``reads`` counts what it has read from Stripe."""

    name: str
    is_sweep: bool
    moved_at: float
    reads: Callable[[], int]
    reads_seen: int
    is_resting: bool = False


class SweepPulse:
    """Tells the watchdog of each page of one running sweep. It is a Progress."""

    def __init__(self, pulse: Pulse, watched: _Watched) -> None:
        self._pulse = pulse
        self._watched = watched

    def advance(self, examined: int, total: int | None) -> None:  # noqa: ARG002 - a Progress
        """A page was examined."""
        self._pulse.beat(self._watched)


class Steps:
    """Tells the watchdog of each step of a thread's other work, such as a main loop."""

    def __init__(self, pulse: Pulse, watched: _Watched) -> None:
        self._pulse = pulse
        self._watched = watched

    def advance(self) -> None:
        """A step was made."""
        self._pulse.beat(self._watched)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """For the length of the block the thread waits for the clock, or for work that is watched by itself."""
        self._pulse.beat(self._watched, is_resting=True)
        try:
            yield
        finally:
            self._pulse.beat(self._watched)


class Pulse:
    """Watches everything that is at work in the process. Safe between threads.

    A sweep is stuck if it ends neither a page nor a read for ``stall`` seconds. Reads count as well as pages, because
    a page may wait long for the rate limiter. Other work is stuck if it makes no step for so long and does not rest.
    """

    def __init__(self, clock: Clock, stall: float) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: list[_Watched] = []
        self.stall = stall

    @contextmanager
    def watching(self, name: str, reads: Callable[[], int]) -> Iterator[SweepPulse]:
        """Watch a sweep for the length of the block. ``reads`` counts what it has read from Stripe."""
        watched = _Watched(name, True, self._clock.monotonic(), reads, reads())
        with self._listed(watched):
            yield SweepPulse(self, watched)

    @contextmanager
    def attending(self, name: str) -> Iterator[Steps]:
        """Watch other work for the length of the block. It does not count as a running sweep."""
        watched = _Watched(name, False, self._clock.monotonic(), lambda: 0, 0)
        with self._listed(watched):
            yield Steps(self, watched)

    def beat(self, watched: _Watched, *, is_resting: bool = False) -> None:
        """Note that it has moved by a page or a step; ``is_resting`` is whether it rests from now on."""
        with self._lock:
            watched.moved_at, watched.is_resting = self._clock.monotonic(), is_resting

    def running(self) -> tuple[str, ...]:
        """The names of the sweeps that are running now."""
        with self._lock:
            return tuple(sorted({one.name for one in self._watched if one.is_sweep}))

    def stuck(self) -> tuple[str, ...]:
        """The names of the sweeps and the other work that do not move."""
        now = self._clock.monotonic()
        with self._lock:
            for one in self._watched:
                reads = one.reads()
                if reads != one.reads_seen:
                    one.reads_seen, one.moved_at = reads, now
            stuck = {
                one.name
                for one in self._watched
                if not one.is_resting and now - one.moved_at > self.stall
            }
            return tuple(sorted(stuck))

    @contextmanager
    def _listed(self, watched: _Watched) -> Iterator[None]:
        with self._lock:
            self._watched.append(watched)
        try:
            yield
        finally:
            with self._lock:
                self._watched.remove(watched)
