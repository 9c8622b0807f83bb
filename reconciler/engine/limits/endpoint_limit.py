"""The rate limit of one endpoint, or of all endpoints together: how fast requests may go, and how fast they went."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

RESERVE_SECONDS: Final = 0.1
"""The bucket holds what the rate allows in this time."""
SLOWEST: Final = 1 / 16
"""Refusals do not lower the rate below this part of the limit."""
RECOVERY_PER_SECOND: Final = 0.005
"""A lowered rate regains 5 % of the limit in 10 s."""
CEILING_STEP_SECONDS: Final = 10.0
"""A lowered ceiling rises by one in so many seconds."""
SAME_INCIDENT_SECONDS: Final = 1.0
"""Refusals so close together are one incident, because their requests were on their way at the same time."""
BUSIEST_MINUTES: Final = 10
"""For so long the busiest second is remembered."""

_ROUNDING: Final = 1e-9
_SECOND: Final = 0.999
"""A second, less a margin for the clock's steps, so that a full second never counts as less."""


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """How much of one endpoint's limit is in use. Rates are in requests a second.

    ``limit`` is the rate that Reconciler allows itself, ``rate`` what Stripe's refusals have left of it,
    ``last_second`` the requests of the last second, ``busiest`` the most within any second of the last ten minutes.
    ``at_once`` is the ceiling for ``in_flight``, None if there is none.
    """

    limit: float
    rate: float
    last_second: int
    busiest: int
    in_flight: int
    at_once: int | None
    waiting: int


class EndpointLimit:
    """One rate and one ceiling. Not safe between threads: the rate limiter calls it under its lock.

    Two rules decide when the next request may go. The bucket spreads the requests: it fills at the rate and holds
    little. The window keeps the limit: of the last ``n`` requests, ``n`` being the rate rounded up, the first was at
    least ``n / rate`` seconds ago. All times are monotonic, in seconds.
    """

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self.in_flight = 0
        self._tokens = 1.0
        self._filled_at = now
        self._gone: deque[float] = deque(maxlen=math.ceil(limit))
        self._slowed_to = 1.0
        self._slowed_at = now - SAME_INCIDENT_SECONDS
        self._ceiling: float | None = None
        self._lowered_at = now
        self._last_second: deque[float] = deque()
        self._busiest_of_minute: dict[int, int] = {}
        self._part = 1.0
        self._part_until = now

    def rate(self, now: float) -> float:
        """The limit, as far as it has recovered from Stripe's refusals."""
        recovered = self._slowed_to + (now - self._slowed_at) * RECOVERY_PER_SECOND
        return self.limit * min(1.0, recovered)

    def usable_rate(self, now: float) -> float:
        """The rate, or the part of it that was set by ``keep_to``."""
        return self.rate(now) * (self._part if now < self._part_until else 1.0)

    def keep_to(self, part: float, until: float) -> None:
        """Use only this part of the rate until then."""
        self._part, self._part_until = part, until

    def recall(self, count: int, now: float) -> None:
        """Count requests that another process has sent as gone now."""
        self._gone.extend([now] * count)

    def at_once(self, now: float) -> int | None:
        """The ceiling for requests in flight, None if Stripe never refused one for that."""
        if self._ceiling is None:
            return None
        return int(self._ceiling + (now - self._lowered_at) / CEILING_STEP_SECONDS)

    def is_full(self, now: float) -> bool:
        """Whether the next request has to wait until one in flight has ended."""
        ceiling = self.at_once(now)
        return ceiling is not None and self.in_flight >= ceiling

    def wait(self, now: float) -> float:
        """Seconds until the rate allows the next request; 0 if it may go now."""
        rate = self.usable_rate(now)
        self._fill(now, rate)
        until = (1 - self._tokens) / rate
        size = math.ceil(rate)
        if len(self._gone) >= size:
            until = max(until, self._gone[-size] + size / rate - now)
        return until if until > _ROUNDING else 0.0

    def start(self, now: float) -> None:
        """Count a request that goes now."""
        self._tokens -= 1
        self._gone.append(now)
        self.in_flight += 1

        self._last_second.append(now)
        while self._last_second[0] <= now - _SECOND:
            self._last_second.popleft()
        minute = int(now // 60)
        busiest = self._busiest_of_minute.get(minute, 0)
        self._busiest_of_minute[minute] = max(busiest, len(self._last_second))
        while len(self._busiest_of_minute) > BUSIEST_MINUTES:
            del self._busiest_of_minute[min(self._busiest_of_minute)]

    def slow_down(self, now: float) -> None:
        """Halve the rate, once for each incident."""
        if now - self._slowed_at < SAME_INCIDENT_SECONDS:
            return
        self._slowed_to = max(SLOWEST, self.rate(now) / self.limit / 2)
        self._slowed_at = now

    def lower_ceiling(self, now: float) -> None:
        """Allow half as many requests at once as are in flight, once for each incident."""
        if self._ceiling is not None and now - self._lowered_at < SAME_INCIDENT_SECONDS:
            return
        self._ceiling = max(1.0, self.in_flight // 2)
        self._lowered_at = now

    def usage(self, now: float, waiting: int) -> EndpointUsage:
        """How much is in use now. ``waiting`` is how many threads wait."""
        since = int(now // 60) - BUSIEST_MINUTES
        recent = (most for minute, most in self._busiest_of_minute.items() if minute > since)
        return EndpointUsage(
            limit=self.limit,
            rate=self.rate(now),
            last_second=sum(gone > now - 1 for gone in self._gone),
            busiest=max(recent, default=0),
            in_flight=self.in_flight,
            at_once=self.at_once(now),
            waiting=waiting,
        )

    def _fill(self, now: float, rate: float) -> None:
        size = max(1.0, rate * RESERVE_SECONDS)
        self._tokens = min(size, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
