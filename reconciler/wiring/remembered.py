"""Figures that take long to add up: shown as they were a moment ago, and made anew in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from reconciler.clock import Clock
from reconciler.errors import ReconcilerError

Value = TypeVar("Value")
FRESH_SECONDS: Final = 20
LONGEST_SECONDS: Final = 600
"""Older figures are never shown: the reader waits for new ones."""


@dataclass(frozen=True)  # slots and Generic cannot be combined in Python 3.11
class _Made(Generic[Value]):
    value: Value
    at: float


class Remembered(Generic[Value]):
    """A value for each key. Safe to share between threads. At most one thread makes a key's value at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[Hashable, _Made[Value]] = {}
        self._making: set[Hashable] = set()
        self._lock = threading.Lock()

    def value(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value, at most some minutes old. Raises what ``make`` raises if it has to be made now."""
        now = self._clock.monotonic()
        with self._lock:
            found = self._made.get(key)
        if found is None or now - found.at > LONGEST_SECONDS:
            return self._make(key, make)
        if now - found.at > FRESH_SECONDS:
            self._refresh(key, make)
        return found.value

    def forget(self) -> None:
        """Make every value anew when it is wanted next."""
        with self._lock:
            self._made.clear()

    def _make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        # the time before it: what changes meanwhile is not in it
        at = self._clock.monotonic()
        value = make()
        with self._lock:
            self._made[key] = _Made(value, at)
        return value

    def _refresh(self, key: Hashable, make: Callable[[], Value]) -> None:
        with self._lock:
            if key in self._making:
                return
            self._making.add(key)

        def refresh() -> None:
            try:
                self._make(key, make)
            except ReconcilerError:
                # the next reader makes it, and is told what fails
                with self._lock:
                    self._made.pop(key, None)
            finally:
                with self._lock:
                    self._making.discard(key)

        threading.Thread(target=refresh, name="figures", daemon=True).start()
