"""The rate usage of the service, which another process reads from the account's row."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason, RateLimits
from reconciler.engine.health.rate_usage import EndpointRate, from_dict, to_dict
from reconciler.engine.limits.rate_limiter import BUSIEST_MINUTES, RateLimiter
from tests.unit.engine.doubles import NOW, take_many


def stored(rate_limiter: RateLimiter) -> object:
    """The rate usage as the row holds it."""
    return json.loads(json.dumps(to_dict(rate_limiter.usage())))


def test_the_rate_usage_reaches_another_process() -> None:
    """Limit, what refusals left of it, and the busiest second: of all endpoints together, and of those that were read."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=12, search=10), clock)
    take_many(rate_limiter, clock, Endpoint.EVENTS, 30)
    rate_limiter.limited(RateLimitReason.ENDPOINT_RATE, Endpoint.EVENTS)
    rate_usage = from_dict(stored(rate_limiter), NOW)
    assert rate_usage is not None
    assert rate_usage.overall == EndpointRate(50, 50, 12)
    assert rate_usage.endpoints == {"events": EndpointRate(12, 6, 12)}
    assert rate_usage.endpoints["events"].used == 1


def test_the_row_and_the_status_have_one_shape() -> None:
    """``status --json`` shows what the service stored, and the time of it."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=12, search=10), clock)
    take_many(rate_limiter, clock, Endpoint.EVENTS, 3)
    rate_usage = from_dict(stored(rate_limiter), NOW)
    assert rate_usage is not None
    shown = rate_usage.to_dict()
    assert shown == {"at": NOW, **to_dict(rate_limiter.usage())}
    assert shown["overall"] == {"limit": 50.0, "rate": 50.0, "busiest": 3, "used": 0.06}


def test_the_busiest_second_is_forgotten() -> None:
    """It is that of the last ten minutes, so that an old burst does not hide the present rate."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=12, search=10), clock)
    take_many(rate_limiter, clock, Endpoint.LIST, 30)
    clock.advance(timedelta(minutes=BUSIEST_MINUTES - 2))
    take_many(rate_limiter, clock, Endpoint.LIST, 1)
    assert rate_limiter.usage().overall.busiest == 12
    clock.advance(timedelta(minutes=2))
    take_many(rate_limiter, clock, Endpoint.LIST, 1)
    assert rate_limiter.usage().overall.busiest == 1
    clock.advance(timedelta(minutes=BUSIEST_MINUTES + 1))
    assert rate_limiter.usage().overall.busiest == 0


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"overall": 1, "endpoints": {}},
        {"overall": {"limit": 0, "rate": 1, "busiest": 1}, "endpoints": {}},
        {"overall": {"limit": 1, "rate": 1, "busiest": 1}, "endpoints": []},
    ],
)
def test_what_another_version_wrote_counts_as_nothing(fields: object) -> None:
    """The row is untrusted input: without a readable rate usage the status is shown all the same."""
    assert from_dict(fields, NOW) is None
