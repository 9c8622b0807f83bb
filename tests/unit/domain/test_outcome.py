"""The words into which both sides are translated."""

from __future__ import annotations

import pytest

from reconciler.domain.model.intent import outcome_of_status
from reconciler.domain.outcome import AT_STRIPE, MISSED_WEBHOOK, NEXT_STEP, OPEN, Outcome

WITHOUT_ERROR = {
    "requires_payment_method": "incomplete",
    "requires_confirmation": "incomplete",
    "requires_action": "incomplete",
    "processing": "processing",
    "requires_capture": "authorized",
    "succeeded": "succeeded",
    "canceled": "canceled",
}


@pytest.mark.parametrize(("status", "outcome"), WITHOUT_ERROR.items())
def test_each_of_stripes_seven_statuses_has_its_outcome(status: str, outcome: str) -> None:
    """Every status in Stripe's specification has exactly one outcome."""
    assert outcome_of_status(status, last_attempt_failed=False) == outcome


@pytest.mark.parametrize(("status", "outcome"), WITHOUT_ERROR.items())
def test_an_old_error_matters_only_in_requires_payment_method(status: str, outcome: str) -> None:
    """There last_payment_error tells a failed attempt from a new intent; in other statuses it says nothing."""
    expected = "failed" if status == "requires_payment_method" else outcome
    assert outcome_of_status(status, last_attempt_failed=True) == expected


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize(
    "status", ["", "paid", "Succeeded", " succeeded", "requires_luck", "unknown"]
)
def test_a_status_that_stripe_has_added_is_unknown(status: str, failed: bool) -> None:
    """A string that Reconciler does not know is unknown, even if it resembles a known one, and raises nothing."""
    assert outcome_of_status(status, last_attempt_failed=failed) is Outcome.UNKNOWN


def test_open_outcomes() -> None:
    """Incomplete, failed, processing and authorized may still change; unknown is not open."""
    assert {outcome.value for outcome in OPEN} == {
        "incomplete",
        "failed",
        "processing",
        "authorized",
    }
    for outcome in Outcome:
        assert outcome.is_open == (outcome in OPEN)


def test_refunded_and_disputed_are_local_outcomes() -> None:
    """A PaymentIntent stays succeeded when its charge is refunded or disputed."""
    assert set(Outcome) - set(AT_STRIPE) == {Outcome.REFUNDED, Outcome.DISPUTED, Outcome.UNKNOWN}
    assert {
        outcome_of_status(status, last_attempt_failed=bad)
        for status in WITHOUT_ERROR
        for bad in (False, True)
    } == set(AT_STRIPE)


def test_every_outcome_says_what_was_missed_and_what_comes_next() -> None:
    """Every outcome at Stripe has its webhook events, and every outcome has a next step."""
    assert set(MISSED_WEBHOOK) == set(AT_STRIPE)
    assert set(NEXT_STEP) == set(Outcome)
    events = " ".join(name for names in MISSED_WEBHOOK.values() for name in names)
    for name in (
        "created",
        "payment_failed",
        "processing",
        "amount_capturable_updated",
        "succeeded",
        "canceled",
    ):
        assert f"payment_intent.{name}" in events
