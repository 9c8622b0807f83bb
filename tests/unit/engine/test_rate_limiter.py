"""The rate limiter: it keeps the limits, uses them fully, is fair, and slows down when Stripe refuses."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.clock import ManualClock, SystemClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason, RateLimits
from reconciler.engine.limits.rate_limiter import SLOWEST, RateLimiter
from reconciler.errors import StripeUnavailableError
from tests.unit.engine.doubles import most_within, take_many

START = datetime(2026, 3, 1, tzinfo=UTC)
FAST = RateLimits(overall=100_000, endpoint=100_000, search=100_000)


class LateClock(ManualClock):
    """Every wait takes a little longer than asked for, as on a busy machine."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return super().wait(event, seconds + 0.015)


def settled_rate(rate_limiter: RateLimiter, clock: ManualClock, endpoint: Endpoint) -> float:
    """The rate over fifty reads."""
    times = take_many(rate_limiter, clock, endpoint, 51)
    return 50 / (times[-1] - times[0])


@pytest.mark.parametrize(
    ("livemode", "overall"), [(True, 50.0), (False, 12.5)], ids=["live", "sandbox"]
)
def test_half_of_stripes_documented_limits_is_the_default(livemode: bool, overall: float) -> None:
    """Without configuration, half of 100/s live or 25/s sandbox overall, of 25/s for an endpoint, and of 20/s for search."""
    assert RateLimits.of(livemode=livemode) == RateLimits(
        overall=overall, endpoint=12.5, search=10.0, share=0.5
    )


def test_the_share_applies_to_configured_limits_too() -> None:
    """A limit in the configuration is what Stripe allows this account, so only the share of it is used."""
    limits = RateLimits.of(
        livemode=True,
        share=0.25,
        global_per_second=400,
        endpoint_per_second=80,
        search_per_second=8,
    )
    assert limits == RateLimits(overall=100, endpoint=20, search=2, share=0.25)


def test_search_has_its_own_limit() -> None:
    """Every endpoint has the endpoint limit, except search, which has the search limit."""
    rates = RateLimits(overall=100, endpoint=30, search=7).by_endpoint
    assert rates.pop(Endpoint.SEARCH) == 7
    assert set(rates.values()) == {30}
    assert len(rates) == len(Endpoint) - 1


@pytest.mark.parametrize("wrong", [0.0, -1.0])
def test_a_limit_of_nothing_is_refused(wrong: float) -> None:
    """At a limit of zero a read would wait without end, so such limits cannot be made."""
    with pytest.raises(ValueError, match="more than 0"):
        RateLimits(overall=wrong, endpoint=1, search=1)


some_rates = st.one_of(st.integers(1, 60).map(float), st.floats(0.2, 60))
reads = st.lists(
    st.tuples(
        st.sampled_from(list(Endpoint)),
        st.one_of(st.just(0.0), st.floats(0, 2)),
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(overall=some_rates, endpoint=some_rates, search=some_rates, asked=reads)
def test_no_second_sees_more_than_the_rate(
    overall: float, endpoint: float, search: float, asked: list[tuple[Endpoint, float, int]]
) -> None:
    """No window of one second has more requests of an endpoint than its rate, rounded up, nor more than the overall rate.

    No window of ceil(rate)/rate seconds has more than ceil(rate), so that the mean never exceeds the rate.
    """
    clock = ManualClock(START)
    limits = RateLimits(overall=overall, endpoint=endpoint, search=search)
    rate_limiter = RateLimiter(limits, clock)
    let_go: dict[Endpoint | None, list[float]] = {}
    for name, idle, count in asked:
        clock.advance(timedelta(seconds=idle))
        times = take_many(rate_limiter, clock, name, count)
        let_go.setdefault(name, []).extend(times)
        let_go.setdefault(None, []).extend(times)
    rates: dict[Endpoint | None, float] = {**limits.by_endpoint, None: overall}
    for one, times in let_go.items():
        rate = rates[one]
        size = math.ceil(rate)
        assert most_within(times, 1.0) <= size
        assert most_within(times, size / rate) <= size


@given(rate=some_rates)
@settings(deadline=None)
def test_a_busy_endpoint_gets_its_whole_rate(rate: float) -> None:
    """Waiting requests go at the full rate of the endpoint: the limit is used, not only kept."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=rate, search=1000), clock)
    times = take_many(rate_limiter, clock, Endpoint.LIST, 60)
    assert times[-1] <= 59 / rate + 60 * 0.0006


def test_threads_that_wake_late_do_not_lower_the_rate() -> None:
    """If a thread wakes 15 ms late, the next ones go sooner, so that the endpoint keeps its rate."""
    clock = LateClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=25, search=1000), clock)
    assert settled_rate(rate_limiter, clock, Endpoint.LIST) >= 25 * 0.98


def test_the_first_second_brings_no_burst() -> None:
    """Requests are spread: after a pause, no more than a tenth of a second's worth and one go at once."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=20, search=1000), clock)
    clock.advance(timedelta(seconds=60))
    times = take_many(rate_limiter, clock, Endpoint.LIST, 20)
    assert most_within(times, 0.01) <= 3


def test_a_slow_endpoint_does_not_delay_another() -> None:
    """A thread that waits for the rate of one endpoint does not delay the reads of another endpoint."""
    stopping = threading.Event()
    rate_limiter = RateLimiter(
        RateLimits(overall=1000, endpoint=1000, search=0.001), SystemClock(), stopping
    )
    rate_limiter.take(Endpoint.SEARCH)
    waiting = threading.Thread(target=_expect_stop, args=(rate_limiter, Endpoint.SEARCH))
    waiting.start()
    _until_waiting(rate_limiter, 1)
    for _ in range(20):
        rate_limiter.take(Endpoint.LIST)
    assert rate_limiter.usage().endpoints[Endpoint.SEARCH].waiting == 1
    stopping.set()
    waiting.join()


def _expect_stop(rate_limiter: RateLimiter, endpoint: Endpoint) -> None:
    with pytest.raises(StripeUnavailableError):
        rate_limiter.take(endpoint)


def _until_waiting(rate_limiter: RateLimiter, count: int) -> None:
    turn = threading.Event()
    while rate_limiter.usage().overall.waiting < count:
        turn.wait(0.001)  # lets the other thread run


@pytest.mark.parametrize(
    "endpoints",
    [[Endpoint.RETRIEVE], [Endpoint.SEARCH, Endpoint.LIST, Endpoint.CHARGES]],
    ids=["one endpoint", "several"],
)
def test_threads_go_in_the_order_in_which_they_asked(endpoints: list[Endpoint]) -> None:
    """This holds in the queue of one endpoint, and among several endpoints whose rates allow a read."""
    rate_limiter = RateLimiter(FAST, SystemClock())
    rate_limiter.take(Endpoint.RETRIEVE)
    # from now on one read at a time
    rate_limiter.limited(RateLimitReason.GLOBAL_CONCURRENCY, Endpoint.RETRIEVE)
    order: list[int] = []

    def ask(number: int) -> None:
        endpoint = endpoints[number % len(endpoints)]
        rate_limiter.take(endpoint)
        order.append(number)
        rate_limiter.release(endpoint)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        _until_waiting(rate_limiter, number)
    rate_limiter.release(Endpoint.RETRIEVE)
    for thread in threads:
        thread.join()
    assert order == list(range(12))
    assert rate_limiter.usage().overall.in_flight == 0


def test_stopping_ends_every_wait() -> None:
    """Once the program stops, a thread that waits and a thread that asks get an error."""
    stopping = threading.Event()
    rate_limiter = RateLimiter(
        RateLimits(overall=0.001, endpoint=1, search=1), SystemClock(), stopping
    )
    rate_limiter.take(Endpoint.LIST)
    threads = [
        threading.Thread(target=_expect_stop, args=(rate_limiter, Endpoint.EVENTS))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    _until_waiting(rate_limiter, 3)
    stopping.set()
    for thread in threads:
        thread.join()
    _expect_stop(rate_limiter, Endpoint.CHARGES)
    usage = rate_limiter.usage().overall
    assert (usage.waiting, usage.in_flight) == (0, 1)


class InterruptedClock(ManualClock):
    """Raises KeyboardInterrupt in the next wait, once ``interrupt`` is set. ``meanwhile`` is called before that."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.interrupt = False
        self.meanwhile: Callable[[], None] = int

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if self.interrupt:
            self.interrupt = False
            self.meanwhile()
            raise KeyboardInterrupt
        return super().wait(event, seconds)


def test_an_interrupted_wait_leaves_no_place_behind() -> None:
    """A thread that is interrupted while it waits delays no other thread and is not in flight."""
    clock = InterruptedClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1, endpoint=1, search=1), clock)
    rate_limiter.take(Endpoint.LIST)
    clock.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        rate_limiter.take(Endpoint.LIST)
    rate_limiter.take(Endpoint.LIST)
    usage = rate_limiter.usage().overall
    assert (usage.waiting, usage.in_flight) == (0, 2)


def test_a_read_that_is_interrupted_when_it_may_go_is_not_in_flight() -> None:
    """A thread that is interrupted at the moment at which it may go gives its place back."""
    clock = InterruptedClock(START)
    rate_limiter = RateLimiter(FAST, clock)
    for _ in range(2):
        rate_limiter.take(Endpoint.LIST)
    rate_limiter.limited(RateLimitReason.ENDPOINT_CONCURRENCY, Endpoint.LIST)

    def both_end() -> None:
        rate_limiter.release(Endpoint.LIST)
        clock.advance(timedelta(seconds=1))
        rate_limiter.release(Endpoint.LIST)

    clock.meanwhile = both_end
    clock.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        rate_limiter.take(Endpoint.LIST)
    usage = rate_limiter.usage().overall
    assert (usage.waiting, usage.in_flight) == (0, 0)


@pytest.mark.parametrize("reason", [RateLimitReason.ENDPOINT_RATE, RateLimitReason.UNKNOWN])
def test_a_refusal_for_an_endpoints_rate_halves_it(reason: RateLimitReason) -> None:
    """A 429 for the rate of an endpoint halves the rate of that endpoint alone. A 429 without a reason counts as one."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=200, search=200), clock)
    rate_limiter.limited(reason, Endpoint.LIST)
    usage = rate_limiter.usage()
    assert usage.endpoints[Endpoint.LIST].rate == 100
    assert usage.endpoints[Endpoint.EVENTS].rate == 200
    assert usage.overall.rate == 1000
    assert settled_rate(rate_limiter, clock, Endpoint.LIST) == pytest.approx(100, rel=0.1)


def test_a_global_refusal_slows_everything() -> None:
    """A 429 for the global rate halves the overall rate and no endpoint's."""
    rate_limiter = RateLimiter(RateLimits(overall=40, endpoint=20, search=20), ManualClock(START))
    rate_limiter.limited(RateLimitReason.GLOBAL_RATE, Endpoint.LIST)
    usage = rate_limiter.usage()
    assert usage.overall.rate == 20
    assert {endpoint.rate for endpoint in usage.endpoints.values()} == {20}


@pytest.mark.parametrize(
    "reason", [RateLimitReason.RESOURCE_SPECIFIC, RateLimitReason.LOCK_TIMEOUT]
)
def test_a_refusal_for_a_busy_object_slows_nothing(reason: RateLimitReason) -> None:
    """A 429 because one object is busy says nothing about the rate."""
    rate_limiter = RateLimiter(RateLimits(overall=40, endpoint=20, search=20), ManualClock(START))
    before = rate_limiter.usage()
    rate_limiter.limited(reason, Endpoint.RETRIEVE)
    assert rate_limiter.usage() == before


def test_refusals_of_one_moment_count_once_and_a_floor_holds() -> None:
    """Ten refusals of requests that were on their way together count once. However many follow, the rate has a minimum."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=32, search=32), clock)
    for _ in range(10):
        rate_limiter.limited(RateLimitReason.ENDPOINT_RATE, Endpoint.LIST)
    assert rate_limiter.usage().endpoints[Endpoint.LIST].rate == 16
    for _ in range(40):
        clock.advance(timedelta(seconds=1))
        rate_limiter.limited(RateLimitReason.ENDPOINT_RATE, Endpoint.LIST)
    assert rate_limiter.usage().endpoints[Endpoint.LIST].rate == pytest.approx(32 * SLOWEST)


def test_a_lowered_rate_recovers_slowly_and_fully() -> None:
    """It regains 5 % of the limit in 10 s, and never exceeds the limit."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=1000, endpoint=100, search=100), clock)
    rate_limiter.limited(RateLimitReason.ENDPOINT_RATE, Endpoint.LIST)
    seen = []
    for _ in range(12):
        seen.append(rate_limiter.usage().endpoints[Endpoint.LIST].rate)
        clock.advance(timedelta(seconds=10))
    assert seen[:3] == pytest.approx([50, 55, 60])
    assert seen[-2:] == [100, 100]
    assert all(later >= earlier for earlier, later in pairwise(seen))


@pytest.mark.parametrize(
    ("reason", "limited"),
    [
        (RateLimitReason.ENDPOINT_CONCURRENCY, "endpoint"),
        (RateLimitReason.GLOBAL_CONCURRENCY, "overall"),
    ],
)
def test_too_many_at_once_lowers_the_ceiling(reason: RateLimitReason, limited: str) -> None:
    """A 429 for concurrency allows half as many at once as there were, and one more every 10 s. The rates stay."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(FAST, clock)
    for _ in range(8):
        rate_limiter.take(Endpoint.LIST)
    rate_limiter.limited(reason, Endpoint.LIST)
    rate_limiter.limited(reason, Endpoint.LIST)

    def ceiling() -> int | None:
        usage = rate_limiter.usage()
        one = usage.overall if limited == "overall" else usage.endpoints[Endpoint.LIST]
        return one.at_once

    assert ceiling() == 4
    clock.advance(timedelta(seconds=29))
    assert ceiling() == 6
    assert rate_limiter.usage().overall.rate == FAST.overall


@pytest.mark.parametrize(
    "reason", [RateLimitReason.ENDPOINT_CONCURRENCY, RateLimitReason.GLOBAL_CONCURRENCY]
)
def test_at_the_ceiling_a_read_waits_for_another_to_end(reason: RateLimitReason) -> None:
    """At the ceiling the next read goes when one has ended, or when the ceiling has risen."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(FAST, clock)
    for _ in range(4):
        rate_limiter.take(Endpoint.LIST)
    rate_limiter.limited(reason, Endpoint.LIST)  # two at once
    rate_limiter.release(Endpoint.LIST)
    rate_limiter.release(Endpoint.LIST)
    before = clock.monotonic()
    rate_limiter.take(Endpoint.LIST)  # the ceiling has to rise, in 10 s, for this one
    assert clock.monotonic() - before == pytest.approx(10, abs=0.3)
    rate_limiter.release(Endpoint.LIST)
    before = clock.monotonic()
    rate_limiter.take(Endpoint.LIST)
    assert clock.monotonic() - before < 0.01


def test_usage_shows_what_each_limit_has_used() -> None:
    """Usage shows the requests of the last second and those in flight, for each endpoint and overall."""
    clock = ManualClock(START)
    rate_limiter = RateLimiter(RateLimits(overall=50, endpoint=25, search=20), clock)
    take_many(rate_limiter, clock, Endpoint.LIST, 3)
    rate_limiter.take(Endpoint.EVENTS)
    usage = rate_limiter.usage()
    assert usage.endpoints[Endpoint.LIST].last_second == 3
    assert usage.endpoints[Endpoint.EVENTS].last_second == 1
    assert (usage.overall.last_second, usage.overall.in_flight, usage.overall.waiting) == (4, 1, 0)
    clock.advance(timedelta(seconds=2))
    assert rate_limiter.usage().overall.last_second == 0
