"""The pace of the service, told through its row to another process."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.engine.health.rate_usage import from_dict, to_dict
from reconciler.engine.health.status import EndpointRate
from reconciler.engine.limits.endpoint_limit import LATELY_MINUTES
from reconciler.engine.limits.rate_limiter import RateLimiter, RateLimits
from tests.unit.engine.doubles import NOW
from tests.unit.engine.test_pacer import take_many


def told(rate_limiter: RateLimiter) -> object:
    return json.loads(json.dumps(to_dict(rate_limiter.usage())))


def test_the_pace_crosses() -> None:
    """Limit, what refusals left of it, and the busiest second, of all and of the endpoints that were asked."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=12, search=10), clock)
    take_many(rate_limiter, clock, Endpoint.EVENTS, 30)
    rate_limiter.limited(RateLimitReason.ENDPOINT_RATE, Endpoint.EVENTS)
    rate_usage = from_dict(told(rate_limiter), NOW)
    assert rate_usage is not None
    assert rate_usage.overall == EndpointRate(50, 50, 12)
    assert rate_usage.endpoints == {"events": EndpointRate(12, 6, 12)}
    assert rate_usage.endpoints["events"].used == 1


def test_the_busiest_second_is_forgotten() -> None:
    """It is that of the last ten minutes, so that a burst of yesterday hides nothing of today."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=12, search=10), clock)
    take_many(rate_limiter, clock, Endpoint.LIST, 30)
    clock.advance(timedelta(minutes=LATELY_MINUTES - 2))
    take_many(rate_limiter, clock, Endpoint.LIST, 1)
    assert rate_limiter.usage().overall.busiest == 12
    clock.advance(timedelta(minutes=2))
    take_many(rate_limiter, clock, Endpoint.LIST, 1)
    assert rate_limiter.usage().overall.busiest == 1
    clock.advance(timedelta(minutes=LATELY_MINUTES + 1))
    assert rate_limiter.usage().overall.busiest == 0


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        {},
        {"overall": 1, "endpoints": {}},
        {"overall": {"limit": 0, "rate": 1, "busiest": 1}, "endpoints": {}},
        {"overall": {"limit": 1, "rate": 1, "busiest": 1}, "endpoints": []},
    ],
)
def test_what_another_version_wrote_is_nothing(form: object) -> None:
    """The table is untrusted input: the status is shown without it."""
    assert from_dict(form, NOW) is None
