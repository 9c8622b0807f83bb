"""How fast Stripe may be asked: a rate for each endpoint and one for all together, shared fairly between threads.

No window of one second, wherever it begins, has more requests of an endpoint than its rate, rounded up. Over longer
windows the mean is the rate. The requests are spread evenly; a tenth of a second's worth is kept in reserve for a
thread that wakes late.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.read_limits_and_shortage import (
    Endpoint,
    EndpointUsage,
    RateLimiterUsage,
    RateLimitReason,
    RateLimits,
)
from reconciler.errors import StripeUnavailableError

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
_LONGEST_WAIT: Final = 0.25
_SHORTEST_WAIT: Final = 0.0005


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
        """Count so many requests of the last second as gone now, and those that are counted already only once."""
        self._gone.extend([now] * (count - sum(gone > now - _SECOND for gone in self._gone)))

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
        # the bucket alone would let more than the limit go in a second that begins with a full bucket
        size = math.ceil(rate)
        if len(self._gone) >= size:
            until = max(until, self._gone[-size] + size / rate - now)
        return until if until > _ROUNDING else 0.0

    def start(self, now: float) -> None:
        """Count a request that goes now."""
        self._tokens -= 1
        self._gone.append(now)
        self.in_flight += 1

        # the status shows the busiest second, so it is kept for each minute
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


@dataclass(slots=True)
class _Ticket:
    """A thread's place in the queue of its endpoint. ``woken`` is set if it may go, or if it is the first now."""

    number: int
    granted: bool = False
    woken: threading.Event = field(default_factory=threading.Event)


class RateLimiter:
    """Lets reads go one by one; those of one endpoint in the order in which they asked.

    Call ``release`` after every ``take``, when the request has ended or failed. The rate limiter has no thread of its
    own: each waiting thread lets go every thread that may go.
    """

    def __init__(
        self, limits: RateLimits, clock: Clock, stopping: threading.Event | None = None
    ) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._stopping = stopping or threading.Event()
        self._lock = threading.Lock()
        self._overall = EndpointLimit(limits.overall, now)
        self._endpoint_limits = {
            endpoint: EndpointLimit(rate, now) for endpoint, rate in limits.by_endpoint.items()
        }
        self._queues: dict[Endpoint, deque[_Ticket]] = {endpoint: deque() for endpoint in Endpoint}
        self._reads = 0

    @property
    def stopping(self) -> threading.Event:
        """Set once no read may begin or go on."""
        return self._stopping

    def take(self, endpoint: Endpoint) -> None:
        """Wait until a read of this endpoint may be sent.

        Raises StripeUnavailableError once the rate limiter is stopped, also in the threads that wait.
        """
        with self._lock:
            self._reads += 1
            ticket = _Ticket(self._reads)
            self._queues[endpoint].append(ticket)
        # an interruption such as Ctrl-C must not leave a ticket behind that blocks the queue
        may_go = False
        try:
            while (pause := self._pause(endpoint, ticket)) is not None:
                self._clock.wait(ticket.woken, pause)
            may_go = True
        finally:
            if not may_go:
                self._withdraw(endpoint, ticket)

    def _pause(self, endpoint: Endpoint, ticket: _Ticket) -> float | None:
        """Let every thread go that may. None if this ticket's thread may, else the seconds until the next try."""
        with self._lock:
            if self._stopping.is_set() and not ticket.granted:
                raise StripeUnavailableError(
                    f"The sweep was stopped before this read ({endpoint}) was sent.",
                    "The next sweep makes this read.",
                )
            pause = self._let_go()
            if ticket.granted:
                return None
            ticket.woken.clear()
            # only the first of a queue waits for the right moment; it wakes the next one when it goes
            return pause if self._queues[endpoint][0] is ticket else _LONGEST_WAIT

    def _withdraw(self, endpoint: Endpoint, ticket: _Ticket) -> None:
        """Take back the ticket of a thread that was interrupted."""
        with self._lock:
            queue = self._queues[endpoint]
            if ticket.granted:
                self._end(endpoint)
                return
            was_first = queue[0] is ticket
            queue.remove(ticket)
            if was_first and queue:
                queue[0].woken.set()

    def release(self, endpoint: Endpoint) -> None:
        """A read has ended."""
        with self._lock:
            self._end(endpoint)

    def limited(self, reason: RateLimitReason, endpoint: Endpoint) -> None:
        """Stripe refused a read as too fast: go slower. The rate recovers by itself."""
        with self._lock:
            now = self._clock.monotonic()
            match reason:
                case RateLimitReason.GLOBAL_RATE:
                    self._overall.slow_down(now)
                case RateLimitReason.ENDPOINT_RATE | RateLimitReason.UNKNOWN:
                    self._endpoint_limits[endpoint].slow_down(now)
                case RateLimitReason.GLOBAL_CONCURRENCY:
                    self._overall.lower_ceiling(now)
                case RateLimitReason.ENDPOINT_CONCURRENCY:
                    self._endpoint_limits[endpoint].lower_ceiling(now)
                case RateLimitReason.RESOURCE_SPECIFIC | RateLimitReason.LOCK_TIMEOUT:
                    pass  # one object is busy, and the retry waits for it

    def keep_to(self, part: float, seconds: float = math.inf) -> None:
        """Use only this part of every rate for so long, because another process uses the rest."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            for limit in self._all_limits():
                limit.keep_to(part, until)

    def recall(self, count: int) -> None:
        """Count what the last holder sent in the last second as sent now; this process may have been that holder."""
        with self._lock:
            for limit in self._all_limits():
                limit.recall(count, self._clock.monotonic())

    @property
    def reads(self) -> int:
        """How many reads were asked for."""
        with self._lock:
            return self._reads

    @property
    def spacing(self) -> float:
        """Seconds between two reads of one endpoint, one second at most."""
        with self._lock:
            now = self._clock.monotonic()
            return min(1.0, max(1 / limit.usable_rate(now) for limit in self._all_limits()))

    @property
    def last_second(self) -> int:
        """The requests of the last second, of all endpoints together."""
        return self.usage().overall.last_second

    def usage(self) -> RateLimiterUsage:
        """How much of each limit is in use now."""
        with self._lock:
            now = self._clock.monotonic()
            waiting = {endpoint: len(queue) for endpoint, queue in self._queues.items()}
            return RateLimiterUsage(
                self._overall.usage(now, sum(waiting.values())),
                {
                    endpoint: limit.usage(now, waiting[endpoint])
                    for endpoint, limit in self._endpoint_limits.items()
                },
            )

    def _all_limits(self) -> tuple[EndpointLimit, ...]:
        return (self._overall, *self._endpoint_limits.values())

    def _end(self, endpoint: Endpoint) -> None:
        self._overall.in_flight -= 1
        self._endpoint_limits[endpoint].in_flight -= 1
        self._let_go()

    def _let_go(self) -> float:
        """Let every thread go that may. Returns the seconds until another one may."""
        now = self._clock.monotonic()
        while True:
            pause, endpoint = self._next_endpoint(now)
            if endpoint is None:
                return min(max(pause, _SHORTEST_WAIT), _LONGEST_WAIT)
            # every read counts for its endpoint and for all endpoints together
            self._overall.start(now)
            self._endpoint_limits[endpoint].start(now)

            queue = self._queues[endpoint]
            ticket = queue.popleft()
            ticket.granted = True
            ticket.woken.set()
            if queue:
                queue[0].woken.set()

    def _next_endpoint(self, now: float) -> tuple[float, Endpoint | None]:
        """The endpoint whose first thread may go now; of several the one that asked first.

        If none may, the seconds until one may, and None.
        """
        overall = self._overall.wait(now)
        if self._overall.is_full(now):
            return _LONGEST_WAIT, None
        pause = _LONGEST_WAIT
        ready: list[tuple[int, Endpoint]] = []
        for endpoint, queue in self._queues.items():
            limit = self._endpoint_limits[endpoint]
            if not queue or limit.is_full(now):
                continue
            wait = max(overall, limit.wait(now))
            pause = min(pause, wait)
            if wait == 0:
                # the numbers count up over all queues, so the lowest one asked first
                ready.append((queue[0].number, endpoint))
        return pause, min(ready)[1] if ready else None
