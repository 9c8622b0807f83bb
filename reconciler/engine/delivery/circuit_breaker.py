"""Whether an endpoint is worth a request: one that fails is asked now and then by a single one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.outbox_message import retry_pause

FAILURES: Final = 3
"""So many failures in a row mean that it is the endpoint, and not what was sent."""
LONGEST_PROBE_SECONDS: Final = 300.0


class CircuitBreaker:
    """The circuit breaker of one endpoint, shared by all who send to it.

    Closed, everything flows. Open, one request is let through as a probe after each retry_pause, and the first success
    closes it. ``chance`` gives numbers from 0 to 1.
    """

    def __init__(self, clock: Clock, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at = 0.0
        self._recoveries = 0
        self._told: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is taken to be down."""
        with self._lock:
            return self._failures >= FAILURES

    def may_try(self) -> bool:
        """Whether something may be sent now."""
        with self._lock:
            return self._failures < FAILURES or self._clock.monotonic() >= self._probe_at

    def began(self) -> None:
        """Something is being sent; while the circuit is open nobody else sends meanwhile."""
        with self._lock:
            self._set_probe()

    def succeeded(self) -> None:
        """The endpoint has received something."""
        with self._lock:
            self._recoveries += self._failures >= FAILURES
            self._failures = 0

    def failed(self) -> None:
        """It has not."""
        with self._lock:
            self._failures += 1
            self._set_probe()

    def has_recovered(self, account: str) -> bool:
        """Whether the endpoint has come back since this account last asked."""
        with self._lock:
            told = self._told.get(account, 0)
            self._told[account] = self._recoveries
            return told != self._recoveries

    def _set_probe(self) -> None:
        beyond = self._failures - FAILURES + 1
        if beyond > 0:
            seconds = retry_pause(beyond, self._chance(), LONGEST_PROBE_SECONDS)
            self._probe_at = self._clock.monotonic() + seconds
