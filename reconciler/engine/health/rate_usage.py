"""The pace of the service as it stands in its row, for whoever looks at the status in another process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.engine.health.status import EndpointRate, RateUsage
from reconciler.engine.limits.endpoint_limit import EndpointUsage
from reconciler.engine.limits.rate_limiter import RateLimiterUsage


def to_dict(usage: RateLimiterUsage) -> Mapping[str, object]:
    """As JSON can hold it."""
    return {
        "overall": _endpoint_dict(usage.overall),
        "endpoints": {
            endpoint.value: _endpoint_dict(endpoint_limit)
            for endpoint, endpoint_limit in usage.endpoints.items()
            if endpoint_limit.busiest
        },
    }


def from_dict(form: Any, at: datetime | None) -> RateUsage | None:
    """What stands there; None where nothing does, or what another version wrote."""
    if form is None or at is None:
        return None
    try:
        endpoints = {
            str(name): _endpoint_rate(endpoint_limit)
            for name, endpoint_limit in form["endpoints"].items()
        }
        return RateUsage(at, _endpoint_rate(form["overall"]), endpoints)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _endpoint_dict(endpoint_limit: EndpointUsage) -> Mapping[str, object]:
    return {
        "limit": endpoint_limit.limit,
        "rate": round(endpoint_limit.rate, 3),
        "busiest": endpoint_limit.busiest,
    }


def _endpoint_rate(form: Any) -> EndpointRate:
    limit = float(form["limit"])
    if limit <= 0:
        raise ValueError("a limit is more than nothing")
    return EndpointRate(limit, float(form["rate"]), int(form["busiest"]))
