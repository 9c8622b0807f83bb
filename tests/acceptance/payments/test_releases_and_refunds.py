"""A capture for less releases the rest: that is told from a refund, in both shapes that Stripe has for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop
from tests.acceptance.payments.stripe_objects import (
    MINUTE,
    balance_transaction,
    payment_intent,
    refund,
)

ASKED, CAPTURED = 2000, 1500
RELEASED = ASKED - CAPTURED


@dataclass(frozen=True)
class Capture:
    """A capture of CAPTURED out of ASKED, what the charge says of it, and what went back to the customer in truth.

    ``back`` is None if Stripe does not show it. ``balance`` is what the charge's balance transaction says, and its
    currency.
    """

    amount_refunded: int
    refunds: list[tuple[int, str]] = field(default_factory=list)
    back: int | None = 0
    balance: tuple[int, str] | None = None


DONE, FAILED, CANCELED, PENDING = "succeeded", "failed", "canceled", "pending"
CAPTURES = {
    "since 2025: nothing went back": Capture(0),
    "before 2025: only the release": Capture(RELEASED),
    "before 2025: a release and a refund": Capture(RELEASED + 300, [(300, DONE)], 300),
    "since 2025: a refund": Capture(300, [(300, DONE)], 300),
    "since 2025: two refunds that add up to the release": Capture(
        RELEASED, [(200, DONE), (300, DONE)], RELEASED
    ),
    "since 2025: a refund of exactly the release": Capture(
        RELEASED, [(RELEASED, DONE)], RELEASED, (CAPTURED, "eur")
    ),
    "before 2025: the release was a refund of its own": Capture(
        RELEASED, [(RELEASED, DONE)], 0, (ASKED, "eur")
    ),
    "before 2025: release as a refund, and a real one": Capture(
        RELEASED + 300, [(RELEASED, DONE), (300, DONE)], 300, (ASKED, "eur")
    ),
    "the balance is in another currency": Capture(
        RELEASED, [(RELEASED, DONE)], None, (CAPTURED, "usd")
    ),
    "the balance is another amount": Capture(RELEASED, [(RELEASED, DONE)], None, (1777, "eur")),
    "there is no balance yet": Capture(RELEASED, [(RELEASED, DONE)], None),
    "a refund that failed moved nothing": Capture(RELEASED, [(300, FAILED)]),
    "a canceled refund moved nothing": Capture(RELEASED, [(RELEASED, CANCELED)]),
    "a pending refund is on its way": Capture(RELEASED + 200, [(200, PENDING)], 200),
    "one that needs the customer counts": Capture(250, [(250, "requires_action")], 250),
    "the sum fits neither": Capture(700, [(100, DONE)], None),
    "more than the refunds say": Capture(300, [], None),
    "all of it went back, since 2025": Capture(CAPTURED, [(CAPTURED, DONE)], CAPTURED),
    "all of it went back, before 2025": Capture(ASKED, [(CAPTURED, DONE)], CAPTURED),
    "all of it in many refunds": Capture(CAPTURED, [(10, DONE)] * 150, CAPTURED),
    "a release beside many refunds": Capture(RELEASED + 240, [(2, DONE)] * 120, 240),
}
"""The same money in the shape of Stripe's API since 2025-03-31 and in the one before, and what cannot be told apart."""


def captures(shop: PaymentShop, local: str) -> dict[str, Capture]:
    """Every capture, each with a row of the captured amount; the captures by the text of the row's key."""
    for key, capture in enumerate(CAPTURES.values(), 1):
        intent = payment_intent(
            f"pi_{key}",
            amount=ASKED,
            captured=CAPTURED,
            charge={
                "amount_refunded": capture.amount_refunded,
                "refunded": capture.amount_refunded == ASKED,
            },
        )
        if capture.balance is not None:
            shop.stripe.serve(balance_transaction(intent, *capture.balance))
        shop.stripe.serve(intent)
        shop.stripe.serve(*(refund(intent, amount, status) for amount, status in capture.refunds))
        shop.row(key, f"pi_{key}", local, CAPTURED)
    return {str(key): capture for key, capture in enumerate(CAPTURES.values(), 1)}


@pytest.mark.parametrize("kind", ["due", "window"])
def test_a_release_is_no_refund(open_shop: OpenShop, kind: str) -> None:
    """A pending row is corrected if nothing went back, flagged with what did, and flagged if that cannot be known."""
    shop = open_shop()
    expected = captures(shop, "pending")
    shop.sweep("--kind", kind)
    statuses = {str(key): status for key, status in shop.statuses().items()}
    assert statuses == {
        key: "paid" if capture.back == 0 else "pending" for key, capture in expected.items()
    }
    found = {
        key: (one["kind"], one["severity"], one["reason"], one["amount"])
        for key, (one, *_) in shop.by_row().items()
    }
    refunded = {
        key: ("refund_drift", "critical", None, capture.back)
        for key, capture in expected.items()
        if capture.back
    }
    assert {key: one for key, one in found.items() if key in refunded} == refunded
    unclear = {key for key, capture in expected.items() if capture.back is None}
    assert {key: found[key][:3] for key in found if key not in refunded} == dict.fromkeys(
        unclear, ("refund_drift", "critical", "release_or_refund")
    )
    shop.assert_sound()


def test_fully_refunded_is_said_of_what_was_captured(open_shop: OpenShop) -> None:
    """A paid row whose captured money all went back is flagged; a part that went back, or a release, is not."""
    shop = open_shop()
    expected = captures(shop, "paid")
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    found = {key: (one["kind"], one["amount"]) for key, (one, *_) in shop.by_row().items()}
    certain = {key for key, capture in expected.items() if capture.back is not None}
    assert {key: one for key, one in found.items() if key in certain} == {
        key: ("refund_drift", CAPTURED) for key in certain if expected[key].back == CAPTURED
    }


def test_refunded_here_and_not_there(open_shop: OpenShop) -> None:
    """A refunded row asks for what has not gone back of what was captured, and a release is nothing that went back."""
    shop = open_shop()
    expected = captures(shop, "refunded")
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    found = {
        key: (one["kind"], one["severity"], one["amount"])
        for key, (one, *_) in shop.by_row().items()
    }
    certain = {key: capture.back for key, capture in expected.items() if capture.back is not None}
    assert {key: one for key, one in found.items() if key in certain} == {
        key: ("refund_missing", "critical", CAPTURED - back)
        for key, back in certain.items()
        if back < CAPTURED
    }


def test_refunds_are_read_only_if_they_decide(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A charge without a refund, or captured whole, needs no read; the lists are asked for at most once each."""
    shop = open_shop()
    for key in range(1, 6):
        stripe.serve(payment_intent(f"pi_{key}", charge={"amount_refunded": 0}))
        shop.row(key, f"pi_{key}")
    stripe.serve(payment_intent("pi_6", charge={"amount_refunded": 1250, "refunded": True}))
    shop.row(6, "pi_6")
    stripe.serve(payment_intent("pi_7", amount=ASKED, captured=CAPTURED))
    shop.row(7, "pi_7", amount=CAPTURED)
    shop.sweep()
    assert stripe.asked("/v1/refunds") == []
    assert stripe.asked("/v1/balance_transactions") == []
    assert shop.statuses() == {**dict.fromkeys(range(1, 6), "paid"), 6: "pending", 7: "paid"}


def test_refunds_that_cannot_be_read_are_no_verdict(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """If the refunds cannot be read, the row is not examined, nothing is written, and the sweep is not complete."""
    shop = open_shop()
    intent = payment_intent(
        "pi_1", amount=ASKED, captured=CAPTURED, charge={"amount_refunded": RELEASED}
    )
    stripe.serve(intent)
    shop.row(1, "pi_1", amount=CAPTURED)
    stripe.refuse("/v1/refunds", 500)
    before = shop.rows()
    assert shop.run("sweep", "--apply", "--kind", "due").code == 75
    shop.assert_untouched(before)
    stripe.relent()
    stripe.offset = 10 * MINUTE
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid"}
