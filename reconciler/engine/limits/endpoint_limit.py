"""One lane of the pacer, an endpoint or all together: how fast it may go, and how fast it went."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

RESERVE_SECONDS: Final = 0.1
FLOOR: Final = 1 / 16
"""A lane is not slowed below this part of its rate."""
RECOVERY_PER_SECOND: Final = 0.005
"""A slowed lane regains 5 % of its rate in 10 s."""
CEILING_STEP_SECONDS: Final = 10.0
"""A lowered ceiling rises by one in so many seconds."""
SAME_INCIDENT_SECONDS: Final = 1.0
"""Refusals so close together are one incident: requests that were on their way at the same time."""
LATELY_MINUTES: Final = 10
"""For so long the busiest second is remembered."""

_ROUNDING: Final = 1e-9
_SECOND: Final = 0.999
"""A second, less what a clock's steps may make of it: the promise is kept to the last request."""


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """How much of a lane is in use.

    ``limit`` is the rate that we allow ourselves, ``rate`` what is left of it after Stripe's refusals, ``last_second``
    the requests of the last second, ``busiest`` the most within any second of the last ten minutes. ``at_once`` is the
    ceiling for ``in_flight``, None where there is none.
    """

    limit: float
    rate: float
    last_second: int
    busiest: int
    in_flight: int
    at_once: int | None
    waiting: int


class EndpointLimit:
    """One rate, one ceiling. Not safe by itself: the pacer holds its lock.

    Two rules decide when the next request may go. The bucket spreads them: it fills at the rate and holds little. The
    window is the promise: of the last ``n`` requests, ``n`` being the rate rounded up, the first is at least ``n / rate``
    seconds ago.
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
        self._second: deque[float] = deque()
        self._peaks: dict[int, int] = {}
        self._part = 1.0
        self._part_until = now

    def rate(self, now: float) -> float:
        """Requests a second, as far as the lane has recovered."""
        recovered = self._slowed_to + (now - self._slowed_at) * RECOVERY_PER_SECOND
        return self.limit * min(1.0, recovered)

    def usable_rate(self, now: float) -> float:
        """The rate, or the part of it that we keep to."""
        return self.rate(now) * (self._part if now < self._part_until else 1.0)

    def keep_to(self, part: float, until: float) -> None:
        """Take only this part of the rate for a time."""
        self._part, self._part_until = part, until

    def recall(self, count: int, now: float) -> None:
        """Count requests as gone now that somebody else has sent."""
        self._gone.extend([now] * count)

    def at_once(self, now: float) -> int | None:
        """The ceiling for requests in flight, None where Stripe never complained."""
        if self._ceiling is None:
            return None
        return int(self._ceiling + (now - self._lowered_at) / CEILING_STEP_SECONDS)

    def is_full(self, now: float) -> bool:
        """Whether it must wait for a request to end."""
        ceiling = self.at_once(now)
        return ceiling is not None and self.in_flight >= ceiling

    def wait(self, now: float) -> float:
        """Seconds until the rate lets the next request go; 0 where it may go now."""
        rate = self.usable_rate(now)
        self._fill(now, rate)
        until = (1 - self._tokens) / rate
        size = math.ceil(rate)
        if len(self._gone) >= size:
            until = max(until, self._gone[-size] + size / rate - now)
        return until if until > _ROUNDING else 0.0

    def go(self, now: float) -> None:
        """A request goes now."""
        self._tokens -= 1
        self._gone.append(now)
        self.in_flight += 1
        self._second.append(now)
        while self._second[0] <= now - _SECOND:
            self._second.popleft()
        minute = int(now // 60)
        self._peaks[minute] = max(self._peaks.get(minute, 0), len(self._second))
        while len(self._peaks) > LATELY_MINUTES:
            del self._peaks[min(self._peaks)]

    def slow_down(self, now: float) -> None:
        """Halve the rate, once an incident."""
        if now - self._slowed_at < SAME_INCIDENT_SECONDS:
            return
        self._slowed_to = max(FLOOR, self.rate(now) / self.limit / 2)
        self._slowed_at = now

    def lower_ceiling(self, now: float) -> None:
        """Allow half as many at once as there are, once an incident."""
        if self._ceiling is not None and now - self._lowered_at < SAME_INCIDENT_SECONDS:
            return
        self._ceiling = max(1.0, self.in_flight // 2)
        self._lowered_at = now

    def usage(self, now: float, waiting: int) -> EndpointUsage:
        return EndpointUsage(
            limit=self.limit,
            rate=self.rate(now),
            last_second=sum(gone > now - 1 for gone in self._gone),
            busiest=self._busiest(now),
            in_flight=self.in_flight,
            at_once=self.at_once(now),
            waiting=waiting,
        )

    def _busiest(self, now: float) -> int:
        since = int(now // 60) - LATELY_MINUTES
        return max((most for minute, most in self._peaks.items() if minute > since), default=0)

    def _fill(self, now: float, rate: float) -> None:
        size = max(1.0, rate * RESERVE_SECONDS)
        self._tokens = min(size, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
