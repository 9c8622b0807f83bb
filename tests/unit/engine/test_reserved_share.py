"""The reserved share, and how the next holder of the lease takes the rate limits over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimits
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import PART, ROOM_SECONDS, with_reserved_share
from reconciler.errors import DatabaseUnavailableError
from tests.unit.engine.doubles import NOW, PlainLeases, YieldingClock, most_within, take_many

LIMITS = RateLimits(overall=25, endpoint=25, search=20)


class PlainShare:
    """A reserved share of an account that is held by another process, or is not."""

    def __init__(self, *, held: bool) -> None:
        self._held = held

    @contextmanager
    def entered(self) -> Iterator[bool]:
        yield self._held


@pytest.mark.parametrize("held", [True, False])
def test_the_reserved_share_is_a_fifth_and_waits_for_room(held: bool) -> None:
    """Beside a holder it is used only after the holder has made room, otherwise at once. It is never more than a fifth."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(LIMITS, clock)
    with with_reserved_share(PlainShare(held=held), rate_limiter, clock):
        times = take_many(rate_limiter, clock, Endpoint.EVENTS, 20)
    assert times[0] == (ROOM_SECONDS if held else 0)
    assert most_within(times, 1.0) == 5
    # the first read of the next process keeps its distance from the last one of this process
    assert clock.monotonic() - times[-1] >= 1 / (25 * PART)


def test_the_holder_and_the_reserved_share_stay_within_the_limit() -> None:
    """While the holder makes room it reads four fifths of the limit, and no second exceeds the whole limit."""
    clock = ManualClock(NOW)
    holder = RateLimiter(LIMITS, clock)
    full = take_many(holder, clock, Endpoint.LIST, 60)
    assert most_within(full, 1.0) == 25
    began = clock.monotonic()
    holder.keep_to(1 - PART, ROOM_SECONDS)
    less = [at for at in take_many(holder, clock, Endpoint.LIST, 150) if at - began < ROOM_SECONDS]
    assert most_within([at for at in less if at - began > 1], 1.0) == 20
    assert most_within(full + less, 1.0) == 25


@pytest.mark.parametrize("sent", [0, 10, 25, 60])
def test_what_another_process_has_just_sent_counts(sent: int) -> None:
    """The first second of the next holder has room for what is left of the limit, and no more."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(LIMITS, clock)
    rate_limiter.recall(sent)
    times = take_many(rate_limiter, clock, Endpoint.LIST, 60)
    assert sum(at < 1 for at in times) <= 25 - min(25, sent)
    assert most_within(times, 1.0) <= 25


def test_the_rate_limits_go_with_the_lease() -> None:
    """The holder that gives the lease back leaves the number of its latest reads, and the next holder begins with it."""
    leases, clock = PlainLeases(), ManualClock(NOW)
    first, second = RateLimiter(LIMITS, clock), RateLimiter(LIMITS, clock)
    with Lease(leases, "one", YieldingClock(NOW), rate_limiter=first):
        take_many(first, clock, Endpoint.LIST, 30)
        sent = first.last_second
    assert leases.released_last_second == sent > 0
    with Lease(leases, "two", YieldingClock(NOW), rate_limiter=second):
        assert second.last_second == sent


def test_a_lease_without_known_rate_limits_is_given_back() -> None:
    """A process that cannot read the latest reads of the former holder must not hold the account."""

    class LeasesWithoutAnswer(PlainLeases):
        def last_second(self) -> int:
            raise DatabaseUnavailableError("gone.")

    leases = LeasesWithoutAnswer()
    rate_limiter = RateLimiter(LIMITS, ManualClock(NOW))
    with (
        pytest.raises(DatabaseUnavailableError),
        Lease(leases, "one", YieldingClock(NOW), rate_limiter=rate_limiter),
    ):
        pytest.fail("entered a lease without its rate limits")
    assert leases.released == 1


def test_a_process_that_takes_the_lease_again_counts_its_reads_once() -> None:
    """Sweeps that follow each other within a second do not slow each other down by reads that were never sent."""
    leases, clock = PlainLeases(), ManualClock(NOW)
    rate_limiter = RateLimiter(LIMITS, clock)
    for _ in range(4):
        with Lease(leases, "one", YieldingClock(NOW), rate_limiter=rate_limiter):
            take_many(rate_limiter, clock, Endpoint.LIST, 1)
    assert rate_limiter.last_second == 4
