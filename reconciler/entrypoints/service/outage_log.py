"""Says which failures of a long outage are logged: the first, then one at growing intervals, and the end of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import structlog

from reconciler.clock import Clock

FIRST_INTERVAL_SECONDS: Final = 60.0
LONGEST_INTERVAL_SECONDS: Final = 3600.0

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class Outage:
    """How often something has failed in a row, and for how many seconds."""

    times: int
    seconds: float


@dataclass
class _Ongoing:
    since: float
    next_at: float
    interval: float = FIRST_INTERVAL_SECONDS
    times: int = 1


class OutageLog:
    """The outages of one account, each under a name. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ongoing: dict[str, _Ongoing] = {}

    def failed(self, name: str) -> Outage | None:
        """Count a failure. Returns the outage so far if it is to be logged, else None."""
        now = self._clock.monotonic()
        with self._lock:
            outage = self._ongoing.get(name)
            if outage is None:
                self._ongoing[name] = _Ongoing(now, now + FIRST_INTERVAL_SECONDS)
                return Outage(1, 0.0)
            outage.times += 1
            if now < outage.next_at:
                return None
            outage.interval = min(LONGEST_INTERVAL_SECONDS, outage.interval * 2)
            outage.next_at = now + outage.interval
            return Outage(outage.times, round(now - outage.since, 1))

    def over(self, name: str) -> Outage | None:
        """The outage that has just ended; None if there was none."""
        now = self._clock.monotonic()
        with self._lock:
            outage = self._ongoing.pop(name, None)
        return None if outage is None else Outage(outage.times, round(now - outage.since, 1))


def log_end_of_outage(outages: OutageLog, name: str, account: str) -> None:
    """Log that an outage is over and how long it lasted, if there was one."""
    outage = outages.over(name)
    if outage is not None:
        log.info(
            "outage.over", account=account, of=name, times=outage.times, seconds=outage.seconds
        )
