"""The lease: held for a block, renewed meanwhile, and given up at once when it is lost."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.lease.lease import Lease
from reconciler.errors import DatabaseUnavailableError, LeaseHeldError, LeaseLostError
from tests.unit.engine.doubles import NOW


@dataclass
class PlainLeases:
    """Answers renewals from a list: a bool, or an error to raise; True when it is used up."""

    free: bool = True
    answers: list[bool | Exception] = field(default_factory=list)
    renewed: threading.Event = field(default_factory=threading.Event)
    released: int = 0
    left: int = 0

    def acquire(self, holder: str, seconds: float) -> int | None:
        return 7 if self.free else None

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        answer = self.answers.pop(0) if self.answers else True
        if not self.answers:
            self.renewed.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        self.released += 1
        self.left = last_second

    def last_second(self) -> int:
        return self.left

    def holder(self) -> str | None:
        return "host:12"


class PatientClock(ManualClock):
    """Lets a waiting thread go on only when the test is ready for it."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.advance(timedelta(seconds=seconds))
        return event.wait(0.001)


def test_a_free_lease_is_held_and_given_back() -> None:
    """The epoch is known inside the block; at its end the lease is free for the next."""
    leases = PlainLeases()
    with Lease(leases, "me", PatientClock(NOW)) as lease:
        assert lease.epoch == 7
        lease.raise_if_lost()
    assert leases.released == 1


def test_a_held_lease_names_its_holder() -> None:
    """Two processes never work on one account: the second is told who has it."""
    with (
        pytest.raises(LeaseHeldError, match="host:12"),
        Lease(PlainLeases(free=False), "me", PatientClock(NOW)),
    ):
        pytest.fail("entered a lease that another holds")


def test_a_lost_lease_is_noticed_and_not_given_back() -> None:
    """A holder that lost it must not release what is another's now."""
    leases = PlainLeases(answers=[False])
    with Lease(leases, "me", PatientClock(NOW)) as lease:
        lease._thread.join(10)
        with pytest.raises(LeaseLostError):
            lease.raise_if_lost()
    assert leases.released == 0


def test_a_database_outage_is_no_loss_by_itself() -> None:
    """A renewal that cannot reach the database is tried again; the epoch guards the writes meanwhile."""
    leases = PlainLeases(answers=[DatabaseUnavailableError("down."), True, True])
    with Lease(leases, "me", PatientClock(NOW)) as lease:
        assert leases.renewed.wait(10)
        lease.raise_if_lost()
    assert leases.released == 1
