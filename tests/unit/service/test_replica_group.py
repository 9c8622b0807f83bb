"""One replica of several: when it takes an account, gives one up, and is not eligible for one."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.adapters.postgres.coordination.replicas import GroupView
from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimits
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.process_metrics import MeteredRateLimiter, Metrics
from reconciler.entrypoints.service.replica_group import INELIGIBLE_LEASES, ReplicaGroup
from reconciler.errors import LeaseLostError
from tests.unit.engine.doubles import NOW

LEASE = 30.0


class FakeReplicas:
    """The database's answer: which replica holds each account, and which other replicas are eligible for all."""

    def __init__(self, holders: dict[str, str | None], others: frozenset[str]) -> None:
        self.holders = holders
        self.others = others
        self.eligible: list[str] = []

    def renew(self, eligible: list[str], ineligible: list[str], seconds: float) -> GroupView:
        self.eligible = eligible
        names = {account: self.others | {"me"} for account in eligible}
        return GroupView(dict(self.holders), {**dict.fromkeys(ineligible, self.others), **names})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def make_group(clock: ManualClock, *accounts: str) -> ReplicaGroup:
    return ReplicaGroup("", "me", accounts, clock, LEASE, dict, Pulse(clock, 60))


def test_nothing_is_taken_before_the_replicas_were_read(clock: ManualClock) -> None:
    """A new replica does not take what is assigned to others; if it cannot read them, it takes free accounts."""
    group = make_group(clock, "eu", "us")
    assert not group.may_take("eu")
    group._read_view(FakeReplicas({"eu": None, "us": None}, frozenset({"a"})))  # type: ignore[arg-type]
    assert [group.may_take(name) for name in ("eu", "us")] == [False, True]
    group._failed = True
    clock.advance(timedelta(seconds=LEASE + 1))
    assert group.may_take("eu")


@pytest.mark.parametrize("was_read", [True, False])
def test_a_query_that_hangs_keeps_no_account_from_being_taken(
    clock: ManualClock, was_read: bool
) -> None:
    """A query that hangs raises no error. After a lease's time the view is too old: the replica takes a free account and
    gives none up."""
    group = make_group(clock, "eu")
    if was_read:
        group._read_view(FakeReplicas({"eu": "a"}, frozenset({"a"})))  # type: ignore[arg-type]
    clock.advance(timedelta(seconds=LEASE))
    assert not group.may_take("eu")
    clock.advance(timedelta(seconds=1))
    assert group.may_take("eu")
    assert group.successor("eu") is None


def test_an_account_assigned_to_another_is_left_to_it_for_a_lease_time(clock: ManualClock) -> None:
    """If the other replica lives and does not take the account, any replica may take it after a lease's time."""
    group = make_group(clock, "eu", "us")
    others = FakeReplicas({"eu": None, "us": "me"}, frozenset({"a"}))
    for _ in range(4):
        group._read_view(others)  # type: ignore[arg-type]
        assert not group.may_take("eu")
        clock.advance(timedelta(seconds=LEASE / 3))
    group._read_view(others)  # type: ignore[arg-type]
    assert group.may_take("eu")
    others.holders["eu"] = "a"
    group._read_view(others)  # type: ignore[arg-type]
    assert not group.may_take("eu")


def test_the_second_account_goes_to_a_replica_that_has_none(clock: ManualClock) -> None:
    """The successor is named, so that the log can say where the account went; an old view names none."""
    group = make_group(clock, "eu", "us")
    group._read_view(FakeReplicas({"eu": "me", "us": "me"}, frozenset({"a"})))  # type: ignore[arg-type]
    assert [group.successor(name) for name in ("eu", "us")] == ["a", None]
    clock.advance(timedelta(seconds=LEASE + 1))
    assert group.successor("eu") is None


def test_a_replica_that_cannot_work_is_ineligible_for_ever_longer_times(clock: ManualClock) -> None:
    """It is eligible again when the time is over and an eligible replica holds the account, or after a good sweep."""
    group = make_group(clock, "eu")
    others = FakeReplicas({"eu": "me"}, frozenset({"a"}))
    group._read_view(others)  # type: ignore[arg-type]
    assert group.successor("eu") is None

    for times in (1, 2):
        group.set_ineligible("eu")
        group._read_view(others)  # type: ignore[arg-type]
        assert (others.eligible, group.successor("eu")) == ([], "a")

        others.holders["eu"] = "a"
        clock.advance(timedelta(seconds=INELIGIBLE_LEASES * LEASE * times - 1))
        group._read_view(others)  # type: ignore[arg-type]
        assert not group.is_eligible("eu")

        clock.advance(timedelta(seconds=2))
        assert group.is_eligible("eu")

        others.holders["eu"] = "me"
    group.set_ineligible("eu")
    assert not group.is_eligible("eu")

    group.set_eligible("eu")
    assert group.is_eligible("eu")


def test_without_an_eligible_replica_the_account_stays(clock: ManualClock) -> None:
    """A key revoked on every replica: the holder keeps the account, and any replica takes a free one."""
    group = make_group(clock, "eu")
    group.set_ineligible("eu")
    others = FakeReplicas({"eu": "me"}, frozenset())
    group._read_view(others)  # type: ignore[arg-type]
    assert group.successor("eu") is None
    others.holders["eu"] = None
    group._read_view(others)  # type: ignore[arg-type]
    assert group.may_take("eu")
    clock.advance(timedelta(days=30))
    group._read_view(others)  # type: ignore[arg-type]
    assert not group.is_eligible("eu")


def test_no_read_is_sent_under_a_lease_that_has_run_out(clock: ManualClock) -> None:
    """If the lease was lost during the wait, the read is not sent: it is neither counted nor in flight."""

    def lease_lost() -> None:
        raise LeaseLostError("gone.")

    metrics = Metrics()
    rate_limiter = MeteredRateLimiter(
        RateLimits(9, 9, 9), clock, threading.Event(), metrics, "eu", lease_lost
    )
    with pytest.raises(LeaseLostError):
        rate_limiter.take(Endpoint.LIST)
    assert metrics.reads() == {}
    assert rate_limiter.usage().overall.in_flight == 0
