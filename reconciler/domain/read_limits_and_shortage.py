"""How Stripe limits reads, and which source goes first when the reads of 30 days run short.

Stripe limits the rate of requests to each endpoint, and the number of reads in 30 days (the read quota). If the quota
runs short, the tail goes first, then due, then window: a source takes only reads that no source before it needs. The
tail keeps the reads of its ticks and of the retrieves that they lead to. Due keeps a fixed share of the rest. Reads come
back 30 days after they were spent, so no source of the service may take everything that it has left at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from reconciler.domain.planning.histogram import PAGE_SIZE


class Endpoint(StrEnum):
    """What a read counts against, besides the overall limit of the account.

    Stripe counts by method and path template, so all ids of one path share a limit, and so do all search endpoints.
    OTHER stands for the endpoints that are read now and then; together they take one share.
    """

    RETRIEVE = "retrieve"
    """``GET /v1/payment_intents/{id}``"""
    LIST = "list"
    """``GET /v1/payment_intents``"""
    EVENTS = "events"
    """``GET /v1/events``"""
    CHARGES = "charges"
    """``GET /v1/charges``"""
    SEARCH = "search"
    """``GET /v1/…/search``"""
    OTHER = "other"


class RateLimitReason(StrEnum):
    """Why Stripe answered 429: the header ``Stripe-Rate-Limited-Reason`` with the values of Stripe's rate limit page."""

    GLOBAL_RATE = "global-rate"
    ENDPOINT_RATE = "endpoint-rate"
    GLOBAL_CONCURRENCY = "global-concurrency"
    ENDPOINT_CONCURRENCY = "endpoint-concurrency"
    RESOURCE_SPECIFIC = "resource-specific"
    """The limit of one object or product. It does not mean that an endpoint is read too fast."""
    LOCK_TIMEOUT = "lock_timeout"
    """Another request holds the object. This is the error's code; such an answer has no reason header."""
    UNKNOWN = "unknown"
    """Stripe gave no reason, or one that Reconciler does not know."""


LONGEST_PAGE_SECONDS: Final = 15.0
"""A page takes no longer to read than this, because what is recorded must not be old."""


def retrieve_page_size(reads_per_second: float) -> int:
    """How many retrieves make one page, so that the page is read in time."""
    return max(1, min(PAGE_SIZE, int(reads_per_second * LONGEST_PAGE_SECONDS)))


QUOTA_DAYS: Final = 30
QUOTA_PERIOD: Final = timedelta(days=QUOTA_DAYS)
"""Stripe counts reads over 30 rolling days. Source: docs, "Rate limits", read allocation."""
SHORTEST_TAIL_INTERVAL: Final = timedelta(seconds=10)
TICKS_SHARE: Final = 0.5
"""The share of the quota that the ticks of the tail may take. It limits how often the tail ticks."""
READS_PER_TICK: Final = 1.2
"""What the tail keeps for each tick: one read, and a fifth of one for the retrieves that events lead to."""
DUE_SHARE: Final = 0.6
"""The share that due keeps, before window, of what the tail leaves."""
DAILY_SHARE: Final = 0.1
"""A source of the service takes at most this share of what it has left in 24 hours, so that it reads on every day."""


class Source(StrEnum):
    """Who spends a read."""

    TAIL = "tail"
    """Stripe's list of events."""
    DUE = "due"
    """The open payments of which a poll is due."""
    WINDOW = "window"
    """Everything created in a range of time."""
    PERSON = "person"
    """A person's command, such as ``explain``. It needs few reads, and may use everything that is left."""


@dataclass(frozen=True, slots=True)
class ReadsSpent:
    """The reads of each source in the last 30 days, and those of them in the last 24 hours."""

    month: Mapping[Source, int] = field(default_factory=dict)
    day: Mapping[Source, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The reads of all sources in 30 days."""
        return sum(self.month.values())


def tail_interval(configured: timedelta, allowed: int) -> timedelta:
    """The time between two ticks of the tail: the configured one, or a longer one if the quota asks for it.

    ``allowed`` is the number of reads in 30 days.
    """
    shortest_affordable = QUOTA_PERIOD / max(1.0, allowed * TICKS_SHARE)
    return max(SHORTEST_TAIL_INTERVAL, configured, shortest_affordable)


@dataclass(frozen=True, slots=True)
class SourceShares:
    """How the sources share the quota. ``allowed`` is in reads over 30 days, ``tail_every`` the configured interval."""

    allowed: int
    tail_every: timedelta

    @property
    def tail(self) -> int:
        """The reads in 30 days that are kept for the tail."""
        ticks = QUOTA_PERIOD / tail_interval(self.tail_every, self.allowed)
        return math.ceil(READS_PER_TICK * ticks)

    @property
    def due(self) -> int:
        """The reads in 30 days that are kept for due, before window."""
        return max(0, math.ceil(DUE_SHARE * (self.allowed - self.tail)))

    def left(self, source: Source, spent: ReadsSpent, *, by_service: bool) -> int:
        """How many reads a source may take now.

        A sweep that a person asks for (``by_service`` is False) may take everything at once that is not kept for the
        sources before it.
        """
        # reads of every source count, because Stripe counts them together
        left = self.allowed - spent.total
        if source in (Source.TAIL, Source.PERSON):
            return max(0, left)

        # the ticks of the next day are kept even if the tail has spent its share
        left -= max(self.tail - spent.month.get(Source.TAIL, 0), math.ceil(self.tail / QUOTA_DAYS))
        if source is Source.WINDOW:
            left -= max(0, self.due - spent.month.get(Source.DUE, 0))
        # a person waits for the answer; the service has the whole month
        if by_service:
            today = spent.day.get(source, 0)
            left = min(left, math.ceil(DAILY_SHARE * (left + today)) - today)
        return max(0, left)


RECENT_EVENTS_PART: Final = 0.05
"""The part of the reads that a plan leaves for the recent events. One reading of them serves up to twenty pages."""
FEWEST_FOR_RECENT_EVENTS: Final = 2


def spendable(reads_left: int) -> int:
    """How many of the reads that a source has left a plan may use: the recent events need some of them."""
    for_recent_events = math.ceil(RECENT_EVENTS_PART * reads_left)
    return max(0, reads_left - max(FEWEST_FOR_RECENT_EVENTS, for_recent_events))


LIVE_PER_SECOND: Final = 100.0
TEST_PER_SECOND: Final = 25.0
ENDPOINT_PER_SECOND: Final = 25.0
SEARCH_PER_SECOND: Final = 20.0
"""Stripe's defaults, as its page on rate limits documents them."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The requests a second that Reconciler allows itself: of all endpoints, of one endpoint, and of search.

    ``share`` is the part of Stripe's limits that these are.
    """

    overall: float
    endpoint: float
    search: float
    share: float = 1.0
    by_endpoint: Mapping[Endpoint, float] = field(init=False, repr=False, compare=False)
    """The rate of each endpoint."""

    def __post_init__(self) -> None:
        if min(self.overall, self.endpoint, self.search) <= 0:
            raise ValueError("a rate limit must be more than 0: at 0 a read would wait without end")
        # the class is frozen, and these follow from the other fields
        rates = {**dict.fromkeys(Endpoint, self.endpoint), Endpoint.SEARCH: self.search}
        object.__setattr__(self, "by_endpoint", rates)

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


@dataclass(frozen=True, slots=True)
class RateLimiterUsage:
    """How much of each limit is in use: of all endpoints together, and of each endpoint."""

    overall: EndpointUsage
    endpoints: Mapping[Endpoint, EndpointUsage]
