"""The lease: held for a block, renewed meanwhile, and given up at once if it is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.lease.lease import Lease
from reconciler.errors import DatabaseUnavailableError, LeaseHeldError, LeaseLostError
from tests.unit.engine.doubles import NOW, PlainLeases, YieldingClock


def test_a_free_lease_is_held_and_given_back() -> None:
    """The epoch is known inside the block; at its end the lease is free for the next process."""
    leases = PlainLeases()
    with Lease(leases, "me", YieldingClock(NOW)) as lease:
        assert lease.epoch == 7
        lease.raise_if_lost()
    assert leases.released == 1


def test_a_held_lease_names_its_holder() -> None:
    """Two processes never work on one account: the error of the second one names the first."""
    with (
        pytest.raises(LeaseHeldError, match="host:12"),
        Lease(PlainLeases(free=False), "me", YieldingClock(NOW)),
    ):
        pytest.fail("entered a lease that another process holds")


def test_a_lost_lease_is_noticed_and_not_given_back() -> None:
    """A process that has lost its lease must not release it: it belongs to another process by then."""
    leases = PlainLeases(answers=[False])
    with Lease(leases, "me", YieldingClock(NOW)) as lease:
        lease._thread.join(10)
        with pytest.raises(LeaseLostError):
            lease.raise_if_lost()
    assert leases.released == 0


def test_a_database_outage_is_no_loss_by_itself() -> None:
    """A renewal that cannot reach the database is tried again; the epoch guards the writes meanwhile."""
    leases = PlainLeases(answers=[DatabaseUnavailableError("down."), True, True])
    with Lease(leases, "me", YieldingClock(NOW)) as lease:
        assert leases.renewed.wait(10)
        lease.raise_if_lost()
    assert leases.released == 1


def test_a_lease_that_was_not_renewed_in_time_has_run_out() -> None:
    """A process that was suspended knows it by its own clock, before it can ask the database."""
    suspended = ManualClock(NOW)

    class SuspendedClock(ManualClock):
        """The thread of the lease waits until its end and renews nothing."""

        def wait(self, event: object, seconds: float) -> bool:
            return event.wait()  # type: ignore[attr-defined,no-any-return]

        def monotonic(self) -> float:
            return suspended.monotonic()

    with Lease(PlainLeases(), "me", SuspendedClock(NOW), seconds=30) as lease:
        suspended.advance(timedelta(seconds=29.9))
        assert not lease.has_run_out
        suspended.advance(timedelta(seconds=0.2))
        assert lease.has_run_out
