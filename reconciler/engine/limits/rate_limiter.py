"""How fast Stripe is asked: a budget a second for each endpoint and one overall, shared fairly between threads.

Each lane (an endpoint, or all together) has a rate. No window of one second, wherever it is laid, sees more requests of
a lane than its rate, rounded up; over longer windows the mean is the rate. Requests are spread evenly, with a tenth of
a second's worth in reserve for a thread that wakes late.
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
"""Stripe's documented defaults: its page on rate limits."""

_LONGEST_WAIT: Final = 0.25
_SHORTEST_WAIT: Final = 0.0005


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests a second that we may send, the share already taken off."""

    overall: float
    endpoint: float
    search: float
    share: float = 1.0
    """The part of Stripe's limits that these are."""

    def __post_init__(self) -> None:
        if min(self.overall, self.endpoint, self.search) <= 0:
            raise ValueError("a limit is more than nothing: at 0 a read would wait for ever")

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
        """Stripe's defaults for a live or a test key, or the limits given; ``share`` of each."""
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
        """The rate of an endpoint's lane."""
        return self.search if endpoint is Endpoint.SEARCH else self.endpoint


@dataclass(frozen=True, slots=True)
class RateLimiterUsage:
    """All lanes: the overall one, and one for each endpoint."""

    overall: EndpointUsage
    endpoints: Mapping[Endpoint, EndpointUsage]


@dataclass(slots=True)
class _Ticket:
    """A thread's place in its endpoint's queue. ``woken`` is set when it is let go, or is now the first."""

    number: int
    granted: bool = False
    woken: threading.Event = field(default_factory=threading.Event)


class RateLimiter:
    """Lets reads go one by one: in each endpoint's lane in the order in which they were asked for.

    Pair every ``take`` with a ``done`` when the request has ended, also when it failed. It has no thread of its own:
    whoever waits looks who may go, and lets all of them go.
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
            name: EndpointLimit(limits.of_endpoint(name), now) for name in Endpoint
        }
        self._queues: dict[Endpoint, deque[_Ticket]] = {name: deque() for name in Endpoint}
        self._asked = 0

    def take(self, endpoint: Endpoint) -> None:
        """Wait until a read of this endpoint may be sent.

        Raises StripeUnavailableError when the pacer is stopped, also for those who wait.
        """
        with self._lock:
            self._asked += 1
            ticket = _Ticket(self._asked)
            self._queues[endpoint].append(ticket)
        went = False
        try:
            while (pause := self._look(endpoint, ticket)) is not None:
                self._clock.wait(ticket.woken, pause)
            went = True
        finally:
            if not went:
                self._withdraw(endpoint, ticket)

    def _look(self, endpoint: Endpoint, ticket: _Ticket) -> float | None:
        """Let go who may; None where that is this ticket, else the seconds after which to look again."""
        with self._lock:
            if self._stopping.is_set() and not ticket.granted:
                raise StripeUnavailableError(
                    f"The sweep was stopped before this read ({endpoint}) was sent.",
                    "The next sweep asks for it.",
                )
            pause = self._let_go()
            if ticket.granted:
                return None
            ticket.woken.clear()
            # only the first of a queue watches the clock: it wakes the next one when it goes
            return pause if self._queues[endpoint][0] is ticket else _LONGEST_WAIT

    def _withdraw(self, endpoint: Endpoint, ticket: _Ticket) -> None:
        """Take back a ticket whose thread was interrupted."""
        with self._lock:
            queue = self._queues[endpoint]
            if ticket.granted:
                self._ended(endpoint)
                return
            was_first = queue[0] is ticket
            queue.remove(ticket)
            if was_first and queue:
                queue[0].woken.set()

    def release(self, endpoint: Endpoint) -> None:
        """A read that was let go has ended."""
        with self._lock:
            self._ended(endpoint)

    def limited(self, reason: RateLimitReason, endpoint: Endpoint) -> None:
        """Stripe refused a read for being too fast: slow that lane down. Its own recovery follows."""
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
        """Take only this part of every rate for so long: another reads beside us and takes the rest."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            for endpoint_limit in (self._overall, *self._endpoint_limits.values()):
                endpoint_limit.keep_to(part, until)

    def recall(self, count: int) -> None:
        """Begin behind: so many requests were sent by another in the last second, and count as ours."""
        with self._lock:
            now = self._clock.monotonic()
            for endpoint_limit in (self._overall, *self._endpoint_limits.values()):
                endpoint_limit.recall(count, now)

    @property
    def reads(self) -> int:
        """How many reads were asked for."""
        with self._lock:
            return self._asked

    @property
    def spacing(self) -> float:
        """Seconds between two reads of one endpoint, a second at most."""
        with self._lock:
            now = self._clock.monotonic()
            endpoint_limits = (self._overall, *self._endpoint_limits.values())
            return min(
                1.0, max(1 / endpoint_limit.usable_rate(now) for endpoint_limit in endpoint_limits)
            )

    @property
    def last_second(self) -> int:
        """The requests of the last second, of all endpoints together."""
        return self.usage().overall.last_second

    def usage(self) -> RateLimiterUsage:
        """How much of each budget is in use at this moment."""
        with self._lock:
            now = self._clock.monotonic()
            waiting = {name: len(queue) for name, queue in self._queues.items()}
            return RateLimiterUsage(
                self._overall.usage(now, sum(waiting.values())),
                {
                    name: endpoint_limit.usage(now, waiting[name])
                    for name, endpoint_limit in self._endpoint_limits.items()
                },
            )

    def _ended(self, endpoint: Endpoint) -> None:
        self._overall.in_flight -= 1
        self._endpoint_limits[endpoint].in_flight -= 1
        self._let_go()

    def _let_go(self) -> float:
        """Let everyone go who may; returns the seconds until somebody else may."""
        now = self._clock.monotonic()
        while True:
            pause, ready = self._first_in_line(now)
            if ready is None:
                return min(max(pause, _SHORTEST_WAIT), _LONGEST_WAIT)
            self._overall.go(now)
            self._endpoint_limits[ready].go(now)
            queue = self._queues[ready]
            gone = queue.popleft()
            gone.granted = True
            gone.woken.set()
            if queue:
                queue[0].woken.set()

    def _first_in_line(self, now: float) -> tuple[float, Endpoint | None]:
        """The endpoint whose first waiter may go, the one that asked first among several; else the time until one may."""
        overall = self._overall.wait(now)
        if self._overall.is_full(now):
            return _LONGEST_WAIT, None
        pause = _LONGEST_WAIT
        ready: list[tuple[int, Endpoint]] = []
        for name, queue in self._queues.items():
            endpoint_limit = self._endpoint_limits[name]
            if not queue or endpoint_limit.is_full(now):
                continue
            wait = max(overall, endpoint_limit.wait(now))
            pause = min(pause, wait)
            if wait == 0:
                ready.append((queue[0].number, name))
        return pause, min(ready)[1] if ready else None
