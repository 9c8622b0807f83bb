"""Refunds and disputes: which of them move money, and which dispute decides."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.money_back import Dispute, DisputePhase, Refund, worst_dispute
from tests.unit.domain.samples import AMOUNT, NOW

STATUSES = {
    "lost": DisputePhase.LOST,
    "needs_response": DisputePhase.NEEDS_RESPONSE,
    "appeal_needs_response": DisputePhase.NEEDS_RESPONSE,
    "under_review": DisputePhase.UNDER_REVIEW,
    "appeal_under_review": DisputePhase.UNDER_REVIEW,
    "warning_needs_response": DisputePhase.INQUIRY,
    "warning_under_review": DisputePhase.INQUIRY,
    "warning_closed": DisputePhase.OVER,
    "won": DisputePhase.OVER,
    "prevented": DisputePhase.OVER,
}


def dispute(status: str, number: int = 1) -> Dispute:
    return Dispute(f"dp_{number}", status, AMOUNT, "eur", NOW - timedelta(days=number))


@pytest.mark.parametrize(("status", "phase"), STATUSES.items())
def test_each_status_has_its_phase(status: str, phase: DisputePhase) -> None:
    """Stripe's ten statuses mean one of five things for the money."""
    assert dispute(status).phase is phase


def test_an_unknown_status_is_not_over() -> None:
    """Stripe may add a status: until it is understood a person has to look."""
    assert dispute("something_new").phase is DisputePhase.NEEDS_RESPONSE


@given(st.lists(st.sampled_from(sorted(STATUSES)), min_size=1, max_size=6))
def test_the_worst_dispute_decides(statuses: list[str]) -> None:
    """A charge can have several disputes: no other one is worse than the one that decides."""
    found = worst_dispute(tuple(dispute(status, n) for n, status in enumerate(statuses)))
    assert found is not None
    order = list(DisputePhase)
    assert order.index(found.phase) == min(order.index(STATUSES[status]) for status in statuses)


def test_of_two_alike_the_latest_decides() -> None:
    """Its date by which evidence is due is the one that counts."""
    assert worst_dispute((dispute("won", 3), dispute("lost", 2), dispute("lost", 1))) == dispute(
        "lost", 1
    )


def test_without_a_dispute_nothing_decides() -> None:
    """An empty list is told from a dispute that is over."""
    assert worst_dispute(()) is None


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("succeeded", True),
        ("pending", True),
        ("requires_action", True),
        (None, True),
        ("failed", False),
        ("canceled", False),
    ],
)
def test_a_refund_counts_while_money_goes_back(status: str | None, counts: bool) -> None:
    """A failed or canceled refund moved no money."""
    assert Refund("re_1", 100, status).counts is counts
