"""The rate limits that Reconciler keeps to, and how much of them is in use. Rates are in requests a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.domain.read_limits_and_shortage import Endpoint

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

    def by_endpoint(self) -> Mapping[Endpoint, float]:
        """The rate of each endpoint."""
        return {**dict.fromkeys(Endpoint, self.endpoint), Endpoint.SEARCH: self.search}


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
