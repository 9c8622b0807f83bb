"""One replica among the others: when it takes an account, gives one up, and stands back."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.adapters.postgres.coordination.replicas import GroupView
from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.health.watchdog import Pulse
from reconciler.engine.limits.rate_limiter import RateLimits
from reconciler.entrypoints.service.metrics import MeteredRateLimiter, Metrics
from reconciler.entrypoints.service.replica_group import AWAY_LEASES, ReplicaGroup
from reconciler.errors import LeaseLostError
from tests.unit.engine.doubles import NOW

LEASE = 30.0


class Others:
    """What the database would say: who holds what, and who besides us is able to."""

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


def a_team(clock: ManualClock, *accounts: str) -> ReplicaGroup:
    return ReplicaGroup("", "me", accounts, clock, LEASE, dict, Pulse(clock, 60))


def test_nothing_is_taken_before_the_others_were_seen(clock: ManualClock) -> None:
    """A replica that has just begun does not grab what falls to others; once it cannot see them, it takes what is free."""
    group = a_team(clock, "eu", "us")
    assert not group.may_take("eu")
    group._look(Others({"eu": None, "us": None}, frozenset({"a"})))  # type: ignore[arg-type]
    assert [group.may_take(name) for name in ("eu", "us")] == [False, True]
    group._failed = True
    clock.advance(timedelta(seconds=LEASE + 1))
    assert group.may_take("eu")


@pytest.mark.parametrize("has_seen", [True, False])
def test_a_look_that_hangs_keeps_no_account_from_being_taken(
    clock: ManualClock, has_seen: bool
) -> None:
    """No error comes of a look that hangs. After a lease's time the others are unseen: whoever finds an account free
    takes it, and gives none up."""
    group = a_team(clock, "eu")
    if has_seen:
        group._look(Others({"eu": "a"}, frozenset({"a"})))  # type: ignore[arg-type]
    clock.advance(timedelta(seconds=LEASE))
    assert not group.may_take("eu")
    clock.advance(timedelta(seconds=1))
    assert group.may_take("eu")
    assert group.successor("eu") is None


def test_what_falls_to_another_is_left_to_it_for_a_while(clock: ManualClock) -> None:
    """One that is alive and takes nothing cannot be waited for: after a lease's time anybody may."""
    group = a_team(clock, "eu", "us")
    others = Others({"eu": None, "us": "me"}, frozenset({"a"}))
    for _ in range(4):
        group._look(others)  # type: ignore[arg-type]
        assert not group.may_take("eu")
        clock.advance(timedelta(seconds=LEASE / 3))
    group._look(others)  # type: ignore[arg-type]
    assert group.may_take("eu")
    others.holders["eu"] = "a"
    group._look(others)  # type: ignore[arg-type]
    assert not group.may_take("eu")


def test_one_too_many_goes_to_whoever_has_none(clock: ManualClock) -> None:
    """It is named, so that the log can say where it went; an old look names nobody."""
    group = a_team(clock, "eu", "us")
    group._look(Others({"eu": "me", "us": "me"}, frozenset({"a"})))  # type: ignore[arg-type]
    assert [group.successor(name) for name in ("eu", "us")] == ["a", None]
    clock.advance(timedelta(seconds=LEASE + 1))
    assert group.successor("eu") is None


def test_one_that_cannot_work_stands_back_ever_longer(clock: ManualClock) -> None:
    """It is not counted on until a while has passed and the account is in able hands; a sweep that goes well ends it."""
    group = a_team(clock, "eu")
    others = Others({"eu": "me"}, frozenset({"a"}))
    group._look(others)  # type: ignore[arg-type]
    assert group.successor("eu") is None
    for times in (1, 2):
        group.cannot_work("eu")
        group._look(others)  # type: ignore[arg-type]
        assert (others.eligible, group.successor("eu")) == ([], "a")
        others.holders["eu"] = "a"
        clock.advance(timedelta(seconds=AWAY_LEASES * LEASE * times - 1))
        group._look(others)  # type: ignore[arg-type]
        assert not group.is_eligible("eu")
        clock.advance(timedelta(seconds=2))
        assert group.is_eligible("eu")
        others.holders["eu"] = "me"
    group.cannot_work("eu")
    assert not group.is_eligible("eu")
    group.works("eu")
    assert group.is_eligible("eu")


def test_where_nobody_is_able_the_account_stays(clock: ManualClock) -> None:
    """A key that was revoked everywhere: whoever has the account keeps it, whoever finds it free takes it."""
    group = a_team(clock, "eu")
    group.cannot_work("eu")
    others = Others({"eu": "me"}, frozenset())
    group._look(others)  # type: ignore[arg-type]
    assert group.successor("eu") is None
    others.holders["eu"] = None
    group._look(others)  # type: ignore[arg-type]
    assert group.may_take("eu")
    clock.advance(timedelta(days=30))
    group._look(others)  # type: ignore[arg-type]
    assert not group.is_eligible("eu")


def test_no_read_is_sent_under_a_lease_that_ran_out(clock: ManualClock) -> None:
    """Whoever waited for its turn through a pause sends nothing: the read is neither counted nor in flight."""

    def gone() -> None:
        raise LeaseLostError("gone.")

    metrics = Metrics()
    rate_limiter = MeteredRateLimiter(
        RateLimits(9, 9, 9), clock, threading.Event(), metrics, "eu", gone
    )
    with pytest.raises(LeaseLostError):
        rate_limiter.take(Endpoint.LIST)
    assert metrics.reads() == {}
    assert rate_limiter.usage().overall.in_flight == 0
