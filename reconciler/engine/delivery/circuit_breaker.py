"""Whether the endpoint should get a request now. An endpoint that fails gets a single one from time to time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.outbox_message import retry_pause

FAILURES: Final = 3
"""After so many failures in a row the endpoint counts as down, and not the single message as refused."""
LONGEST_PROBE_SECONDS: Final = 300.0
"""The longest pause between two probes."""


class CircuitBreaker:
    """The circuit breaker of one endpoint. All accounts that deliver to the endpoint share it. Safe between threads.

    While it is closed, every request may go. While it is open, one request may go as a probe after each retry pause;
    the first success closes it. ``chance`` returns numbers from 0 to 1.
    """

    def __init__(self, clock: Clock, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at = 0.0
        self._recoveries = 0
        self._recoveries_seen: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether the endpoint counts as down."""
        with self._lock:
            return self._failures >= FAILURES

    def may_try(self) -> bool:
        """Whether a request may be sent now."""
        with self._lock:
            return self._failures < FAILURES or self._clock.monotonic() >= self._probe_at

    def began(self) -> None:
        """A request is being sent. While the circuit is open, no other request may go until the next probe."""
        with self._lock:
            self._set_next_probe()

    def succeeded(self) -> None:
        """The endpoint has answered."""
        with self._lock:
            self._recoveries += self._failures >= FAILURES
            self._failures = 0

    def failed(self) -> None:
        """The endpoint has not answered, or has answered that it is down."""
        with self._lock:
            self._failures += 1
            self._set_next_probe()

    def has_recovered(self, account: str) -> bool:
        """Whether the endpoint has recovered since this account last asked."""
        with self._lock:
            seen = self._recoveries_seen.get(account, 0)
            self._recoveries_seen[account] = self._recoveries
            return seen != self._recoveries

    def _set_next_probe(self) -> None:
        failures_while_open = self._failures - FAILURES + 1
        if failures_while_open > 0:
            seconds = retry_pause(failures_while_open, self._chance(), LONGEST_PROBE_SECONDS)
            self._probe_at = self._clock.monotonic() + seconds
