"""How fast the service reads from Stripe. The service stores it in the account's row, and ``reconciler status`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.domain.read_limits_and_shortage import EndpointUsage, RateLimiterUsage


@dataclass(frozen=True, slots=True)
class EndpointRate:
    """Requests a second of one endpoint, or of all together.

    ``limit`` is what the service allows itself, ``rate`` what Stripe's refusals have left of it, ``busiest`` the most
    within any second of the last ten minutes.
    """

    limit: float
    rate: float
    busiest: int

    @property
    def used(self) -> float:
        """The part of the limit that the busiest second used."""
        return self.busiest / self.limit

    def to_dict(self) -> Mapping[str, object]:
        """The documented shape in ``status --json``."""
        return {
            "limit": self.limit,
            "rate": self.rate,
            "busiest": self.busiest,
            "used": round(self.used, 4),
        }


@dataclass(frozen=True, slots=True)
class RateUsage:
    """How fast the service read when its last sweep ended, ``at`` that time. Only endpoints that were read."""

    at: datetime
    overall: EndpointRate
    endpoints: Mapping[str, EndpointRate]

    def to_dict(self) -> Mapping[str, object]:
        """The documented shape in ``status --json``."""
        return {"at": self.at, **_to_dict(self.overall, self.endpoints)}


def to_dict(usage: RateLimiterUsage) -> Mapping[str, object]:
    """The same shape for the service's row, which stores the time in a column of its own."""
    # most endpoints are never read, and their lines would say nothing
    endpoints = {
        endpoint.value: _rate_of(one) for endpoint, one in usage.endpoints.items() if one.busiest
    }
    return _to_dict(_rate_of(usage.overall), endpoints)


def from_dict(fields: Any, at: datetime | None) -> RateUsage | None:
    """What the service stored; None if it stored nothing, or if another version wrote it in another shape."""
    if fields is None or at is None:
        return None
    try:
        endpoints = {str(name): _parsed(one) for name, one in fields["endpoints"].items()}
        return RateUsage(at, _parsed(fields["overall"]), endpoints)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _to_dict(overall: EndpointRate, endpoints: Mapping[str, EndpointRate]) -> Mapping[str, object]:
    return {
        "overall": overall.to_dict(),
        "endpoints": {name: rate.to_dict() for name, rate in sorted(endpoints.items())},
    }


def _rate_of(usage: EndpointUsage) -> EndpointRate:
    return EndpointRate(usage.limit, round(usage.rate, 3), usage.busiest)


def _parsed(fields: Any) -> EndpointRate:
    limit = float(fields["limit"])
    if limit <= 0:
        raise ValueError("a limit must be more than 0")
    return EndpointRate(limit, float(fields["rate"]), int(fields["busiest"]))
