"""Reading beside the holder, and what the next holder begins with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.rate_limiter import RateLimiter, RateLimits
from reconciler.engine.limits.reserved_share import PART, ROOM_SECONDS, with_reserved_share
from reconciler.errors import DatabaseUnavailableError
from tests.unit.engine.doubles import NOW
from tests.unit.engine.test_lease import PatientClock, PlainLeases
from tests.unit.engine.test_pacer import most_within, take_many

LIMITS = RateLimits(overall=25, endpoint=25, search=20)


class Book:
    """A guest book of which one knows whether the account is held."""

    def __init__(self, *, held: bool) -> None:
        self._held = held

    @contextmanager
    def entered(self) -> Iterator[bool]:
        yield self._held


@pytest.mark.parametrize("held", [True, False])
def test_a_guest_takes_a_fifth_and_waits_for_room(held: bool) -> None:
    """Beside a holder it waits until that has made room; alone it begins at once. It never takes more than a fifth."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(LIMITS, clock)
    with with_reserved_share(Book(held=held), rate_limiter, clock):
        times = take_many(rate_limiter, clock, Endpoint.EVENTS, 20)
    assert times[0] == (ROOM_SECONDS if held else 0)
    assert most_within(times, 1.0) == 5
    # the next one's first read keeps its distance from our last
    assert clock.monotonic() - times[-1] >= 1 / (25 * PART)


def test_holder_and_guest_stay_within_the_limit() -> None:
    """From when a guest was seen until it is forgotten, both together are within every second's limit."""
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
def test_what_another_has_just_sent_counts(sent: int) -> None:
    """The next holder's first second has room for what is left of the limit, and no more."""
    clock = ManualClock(NOW)
    rate_limiter = RateLimiter(LIMITS, clock)
    rate_limiter.recall(sent)
    times = take_many(rate_limiter, clock, Endpoint.LIST, 60)
    assert sum(at < 1 for at in times) <= 25 - min(25, sent)
    assert most_within(times, 1.0) <= 25


def test_the_budget_goes_with_the_lease() -> None:
    """Whoever gives the lease back leaves behind what it has just sent; whoever takes it begins with that."""
    leases, clock = PlainLeases(), ManualClock(NOW)
    giver, taker = RateLimiter(LIMITS, clock), RateLimiter(LIMITS, clock)
    with Lease(leases, "one", PatientClock(NOW), rate_limiter=giver):
        take_many(giver, clock, Endpoint.LIST, 30)
        sent = giver.last_second
    assert leases.left == sent > 0
    with Lease(leases, "two", PatientClock(NOW), rate_limiter=taker):
        assert taker.last_second == sent


def test_a_budget_that_cannot_be_learnt_gives_the_lease_back() -> None:
    """Nobody holds an account whose budget it does not know, and nobody is kept from it either."""

    class Forgetful(PlainLeases):
        def last_second(self) -> int:
            raise DatabaseUnavailableError("gone.")

    leases = Forgetful()
    with (
        pytest.raises(DatabaseUnavailableError),
        Lease(leases, "one", PatientClock(NOW), rate_limiter=RateLimiter(LIMITS, ManualClock(NOW))),
    ):
        pytest.fail("entered a lease without its budget")
    assert leases.released == 1


def test_a_lease_that_nobody_could_renew_has_run_out() -> None:
    """By our own clock: whoever comes back from a pause knows before the database says so."""
    asleep = ManualClock(NOW)

    class Paused(ManualClock):
        """Its thread does not get to renew anything."""

        def wait(self, event: object, seconds: float) -> bool:
            return event.wait()  # type: ignore[attr-defined,no-any-return]

        def monotonic(self) -> float:
            return asleep.monotonic()

    with Lease(PlainLeases(), "me", Paused(NOW), seconds=30) as lease:
        asleep.advance(timedelta(seconds=29.9))
        assert not lease.has_run_out
        asleep.advance(timedelta(seconds=0.2))
        assert lease.has_run_out
