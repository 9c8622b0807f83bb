"""How fast Stripe may be asked: a rate for each endpoint and one for all together, shared fairly between threads.

No window of one second, wherever it begins, has more requests of an endpoint than its rate, rounded up. Over longer
windows the mean is the rate. The requests are spread evenly; a tenth of a second's worth is kept in reserve for a
thread that wakes late.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.engine.limits.endpoint_limit import EndpointLimit, EndpointUsage
from reconciler.errors import StripeUnavailableError

LIVE_PER_SECOND: Final = 100.0
TEST_PER_SECOND: Final = 25.0
ENDPOINT_PER_SECOND: Final = 25.0
SEARCH_PER_SECOND: Final = 20.0
"""Stripe's defaults, as its page on rate limits documents them."""

_LONGEST_WAIT: Final = 0.25
_SHORTEST_WAIT: Final = 0.0005


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The requests a second that Reconciler allows itself: of all endpoints, of one endpoint, and of search.

    ``share`` is the part of Stripe's limits that these are.
    """

    overall: float
    endpoint: float
    search: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if min(self.overall, self.endpoint, self.search) <= 0:
            raise ValueError("a rate limit must be more than 0: at 0 a read would wait without end")

    @classmethod
    def of(
        cls,
        *,
        livemode: bool,
        share: float = 0.5,
        global_per_second: float | None = None,
        endpoint_per_second: float | None = None,
        search_per_second: float | None = None,
    ) -> RateLimits:
        """A share of the given limits, or of Stripe's defaults for a live or a test key."""
        if global_per_second is None:
            global_per_second = LIVE_PER_SECOND if livemode else TEST_PER_SECOND
        if endpoint_per_second is None:
            endpoint_per_second = ENDPOINT_PER_SECOND
        if search_per_second is None:
            search_per_second = SEARCH_PER_SECOND
        return cls(
            share * global_per_second,
            share * endpoint_per_second,
            share * search_per_second,
            share,
        )

    def of_endpoint(self, endpoint: Endpoint) -> float:
        """The rate of one endpoint."""
        return self.search if endpoint is Endpoint.SEARCH else self.endpoint


@dataclass(frozen=True, slots=True)
class RateLimiterUsage:
    """How much of each limit is in use: of all endpoints together, and of each endpoint."""

    overall: EndpointUsage
    endpoints: Mapping[Endpoint, EndpointUsage]


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
            endpoint: EndpointLimit(limits.of_endpoint(endpoint), now) for endpoint in Endpoint
        }
        self._queues: dict[Endpoint, deque[_Ticket]] = {endpoint: deque() for endpoint in Endpoint}
        self._reads = 0

    def take(self, endpoint: Endpoint) -> None:
        """Wait until a read of this endpoint may be sent.

        Raises StripeUnavailableError once the rate limiter is stopped, also in the threads that wait.
        """
        with self._lock:
            self._reads += 1
            ticket = _Ticket(self._reads)
            self._queues[endpoint].append(ticket)
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
        """Count requests that another process has sent in the last second, as if this one had sent them now."""
        with self._lock:
            now = self._clock.monotonic()
            for limit in self._all_limits():
                limit.recall(count, now)

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
                ready.append((queue[0].number, endpoint))
        return pause, min(ready)[1] if ready else None
