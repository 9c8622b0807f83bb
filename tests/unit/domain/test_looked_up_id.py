"""What a Checkout Session or a charge says of its PaymentIntent, and when Stripe is asked again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.looked_up_id import (
    UNKNOWN_AGAIN,
    ChargeIntent,
    CheckoutSession,
    IdPair,
    pair_of_charge,
    pair_of_session,
)
from tests.unit.domain.samples import NOW

HOUR = timedelta(hours=1)


def session(**changes: object) -> CheckoutSession:
    """An open session of a payment that has no intent yet."""
    facts: dict[str, object] = {
        "id": "cs_1",
        "payment_intent": None,
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "expires_at": NOW + HOUR,
    }
    return CheckoutSession(**{**facts, **changes})  # type: ignore[arg-type]


def test_an_intent_is_final() -> None:
    """A session never has another intent, so it is not read again."""
    assert pair_of_session("cs_1", session(payment_intent="pi_1"), NOW) == IdPair("cs_1", "pi_1")


def test_an_open_session_is_read_after_its_expiry() -> None:
    """Its customer may pay until then."""
    pair = pair_of_session("cs_1", session(), NOW)
    assert pair.payment_intent is None
    assert not pair.is_due(NOW + HOUR)
    assert pair.is_due(NOW + 2 * HOUR)


def test_an_open_session_past_its_expiry_is_not_read_at_once_again() -> None:
    """Stripe may be late to expire it, and a sweep must not ask for it over and over."""
    pair = pair_of_session("cs_1", session(expires_at=NOW - HOUR), NOW)
    assert not pair.is_due(NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "expired"},
        {"mode": "setup", "status": "complete"},
        {"mode": "subscription", "status": "complete", "payment_status": "paid"},
        {"status": "complete", "payment_status": "no_payment_required"},
    ],
)
def test_a_session_that_never_gets_an_intent(changes: dict[str, object]) -> None:
    """It is not read again."""
    assert pair_of_session("cs_1", session(**changes), NOW) == IdPair("cs_1", None)


def test_a_paid_session_without_an_intent_is_read_again() -> None:
    """Stripe should name the intent, so this is not the last answer."""
    pair = pair_of_session("cs_1", session(status="complete", payment_status="paid"), NOW)
    assert pair == IdPair("cs_1", None, NOW + UNKNOWN_AGAIN)


def test_an_unknown_id_is_read_again_after_a_day() -> None:
    """A 404 says nothing about money, and the key may be changed."""
    assert pair_of_session("cs_1", None, NOW) == IdPair("cs_1", None, NOW + UNKNOWN_AGAIN)
    assert pair_of_charge("ch_1", None, NOW) == IdPair("ch_1", None, NOW + UNKNOWN_AGAIN)


@pytest.mark.parametrize("intent", ["pi_1", None])
def test_a_charge_is_read_once(intent: str | None) -> None:
    """Stripe never moves a charge to another intent."""
    assert pair_of_charge("ch_1", ChargeIntent("ch_1", intent), NOW) == IdPair("ch_1", intent)
