"""Ages, due dates and both sides of a listed discrepancy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Corrected, Discrepancy, Side
from reconciler.domain.money import Money
from reconciler.domain.review.ageing import BUCKETS, AgedMoney, aged, bucket_of, bucket_starts

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPEN = Discrepancy(
    id=1,
    account="default",
    kind=Kind.CONTRADICTED,
    severity=Severity.CRITICAL,
    state=State.OPEN,
    payment_intent="pi_1",
    keys=("1",),
    stake=Money(1, "eur"),
    reason=None,
    cause=None,
    closing=None,
    note=None,
    resolved_by=None,
    first_seen=NOW,
    last_seen=NOW,
    fingerprint="0" * 64,
    local={},
    stripe={},
    evidence={},
    opened_at=NOW - DAY,
    changed_at=NOW,
)


def test_how_and_when_it_ended() -> None:
    """By a correction, which has its own time, by a closing or by a person; what is open has not ended."""
    assert (OPEN.ending, OPEN.ended_at) == (None, None)
    corrected = replace(OPEN, state=State.CORRECTED, corrected=Corrected(NOW - DAY, "service", 7))
    assert (corrected.ending, corrected.ended_at) == ("corrected", NOW - DAY)
    closed = replace(OPEN, state=State.CLOSED, closing="agreement")
    assert (closed.ending, closed.ended_at) == ("agreement", NOW)
    assert replace(OPEN, state=State.IGNORED).ending == "ignored"


@pytest.mark.parametrize(
    ("age", "bucket"),
    [
        (timedelta(0), 0),
        (2 * DAY - timedelta(microseconds=1), 0),
        (2 * DAY, 1),
        (8 * DAY, 2),
        (31 * DAY, 3),
        (31 * DAY - timedelta(microseconds=1), 2),
    ],
)
def test_buckets_are_whole_days(age: timedelta, bucket: int) -> None:
    """Two days old is a finding when two whole days have passed; the statement divides at the same times."""
    opened = NOW - age
    assert bucket_of(opened, NOW) == BUCKETS[bucket]
    passed = sum(start <= opened for start in bucket_starts(NOW))
    assert len(BUCKETS) - 1 - passed == bucket


def test_every_bucket_of_a_currency_is_there() -> None:
    """Also an empty one, so that a table has the same lines for each currency."""
    assert aged([("eur", 0, 2, 700)]) == (
        *(AgedMoney("eur", bucket, 0, 0) for bucket in BUCKETS[:3]),
        AgedMoney("eur", "over 30", 2, 700),
    )
    assert aged([]) == ()


def test_only_an_open_discrepancy_has_an_age() -> None:
    """It is never negative, although Stripe's clock may be ahead; what is not due yet is not overdue."""
    assert OPEN.age(NOW) == DAY
    assert OPEN.age(NOW - 2 * DAY) == timedelta(0)
    assert replace(OPEN, state=State.CLOSED).age(NOW) is None
    assert not OPEN.is_overdue(NOW)
    assert not replace(OPEN, due_at=NOW).is_overdue(NOW)
    assert replace(OPEN, due_at=NOW - DAY).is_overdue(NOW)
    assert OPEN.subject == "pi_1"


ROW: dict[str, Any] = {"status": "paid", "amount": 100, "currency": "eur"}


@pytest.mark.parametrize(
    ("local", "side"),
    [
        (ROW, Side("paid", 100, "eur")),
        ({"rows": [ROW]}, Side("paid", 100, "eur")),
        ({"rows": [ROW, {"status": None}, {"status": "new"}]}, Side("paid new", None, None)),
        ({"rows": ["odd"], "status": "x"}, Side(None, None, None)),
        ({"status": "paid", "amount": True, "currency": 7}, Side("paid", None, None)),
        ({}, Side(None, None, None)),
    ],
)
def test_the_side_of_the_rows(local: dict[str, Any], side: Side) -> None:
    """One row has an amount; several have no single one. What no program wrote is left out."""
    assert replace(OPEN, local=local).local_side == side


@pytest.mark.parametrize(
    ("outcome", "amount"),
    [("succeeded", 90), ("authorized", 80), ("failed", 100), ("canceled", 100)],
)
def test_the_side_of_stripe(outcome: str, amount: int) -> None:
    """The money that Stripe has, else the amount that was asked for."""
    amounts = {"amount": 100, "amount_received": 90, "amount_capturable": 80}
    stripe = {"status": "s", "outcome": outcome, "currency": "eur", **amounts}
    assert replace(OPEN, stripe=stripe).stripe_side == Side("s", amount, "eur")
