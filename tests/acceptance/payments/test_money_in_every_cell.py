"""Agreement about the outcome is not agreement about the money: captures for less, refunds, kept and missing money."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop
from tests.acceptance.payments.stripe_objects import (
    DAY,
    MINUTE,
    balance_transaction,
    dispute,
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


# --- refunded here, and too little went back ---

MISSING: dict[str, tuple[dict[str, Any], list[tuple[str, int]], int]] = {
    "nothing went back": ({}, [], 1250),
    "a part went back": ({"amount_refunded": 500}, [], 750),
    "one cent is missing": ({"amount_refunded": 1249}, [], 1),
    "all went back": ({"amount_refunded": 1250, "refunded": True}, [], 0),
    "the bank took it": ({"disputed": True}, [("lost", 1250)], 0),
    "refund and lost dispute": (
        {"disputed": True, "amount_refunded": 500},
        [("lost", 750)],
        0,
    ),
    "a dispute that was won took nothing": ({"disputed": True}, [("won", 1250)], 1250),
    "a lost dispute of a part": ({"disputed": True}, [("lost", 1000)], 250),
    "more than was paid went back": (
        {"disputed": True, "amount_refunded": 1250},
        [("lost", 1250)],
        0,
    ),
}
"""Fields of the charge, its disputes, and the money that is missing."""


def test_a_refund_that_never_happened_is_critical(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The customer was promised the money: what neither a refund nor a lost dispute gave back is missing."""
    shop = open_shop()
    expected = {}
    for key, (charge, disputes, missing) in enumerate(MISSING.values(), 1):
        intent = payment_intent(f"pi_{key}", charge=charge)
        stripe.serve(intent)
        stripe.serve(*(dispute(intent, status, amount=amount) for status, amount in disputes))
        shop.row(key, f"pi_{key}", "refunded")
        if missing:
            expected[str(key)] = [("refund_missing", "critical", missing)]
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    found = {
        key: [(one["kind"], one["severity"], one["amount"]) for one in of]
        for key, of in shop.by_row().items()
    }
    assert found == expected


def test_a_refund_that_arrives_closes_it(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """When the money went back after all, the finding is closed."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "refunded")
    shop.sweep("--kind", "window")
    assert shop.open_kinds() == ["refund_missing"]
    stripe.change("ch_1", amount_refunded=1250, refunded=True)
    shop.sweep("--kind", "window")
    assert [one["state"] for one in shop.discrepancies()] == ["closed"]


def test_a_fresh_refund_may_be_on_its_way(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that became refunded within the grace waits, if the table says when; an older change does not."""
    shop = open_shop(updated="updated_at")
    for key, changed in ((1, 30), (2, 600)):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "refunded")
        shop.execute(
            f"UPDATE payments SET updated_at = now() - interval '{changed} s' WHERE id = {key}"
        )
    report = shop.sweep("--kind", "window")
    assert report["waiting"] == 1
    assert [(one["kind"], one["payment"]) for one in shop.open()] == [("refund_missing", "2")]
    stripe.offset = 10 * MINUTE
    shop.sweep()
    assert shop.open_kinds() == ["refund_missing", "refund_missing"]


def test_a_word_for_a_partial_refund_is_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A local word for a partial refund is mapped to succeeded: no finding; mapped to refunded, the doctor warns."""
    shop = open_shop()
    read = {**shop.sections["payments"]["read"], "partially_refunded": "succeeded"}
    shop.configure(payments={"read": read})
    stripe.serve(payment_intent("pi_1", charge={"amount_refunded": 400}))
    shop.row(1, "pi_1", "partially_refunded")
    shop.sweep("--kind", "window")
    assert shop.open() == []
    shop.configure(payments={"read": {**read, "partially_refunded": "refunded"}})
    assert "partially_refunded" in shop.run("doctor").out


# --- money that stayed ---

CANCELED_ROWS: dict[str, tuple[str, dict[str, Any], list[str], list[tuple[str, str, int]]]] = {
    "paid after the cancellation": (
        "succeeded",
        {},
        [],
        [("paid_after_cancel", "critical", 1250)],
    ),
    "a part went back": (
        "succeeded",
        {"amount_refunded": 500},
        [],
        [("paid_after_cancel", "critical", 750)],
    ),
    "all went back": ("succeeded", {"amount_refunded": 1250, "refunded": True}, [], []),
    "the bank took it back": ("succeeded", {"disputed": True}, ["lost"], []),
    "canceled, and some was captured": (
        "canceled",
        {"amount_captured": 700, "status": "succeeded"},
        [],
        [("amount_mismatch", "critical", 700)],
    ),
    "canceled, captured, and a part went back": (
        "canceled",
        {"amount_captured": 700, "amount_refunded": 300, "status": "succeeded"},
        [],
        [("amount_mismatch", "critical", 400)],
    ),
    "canceled, and nothing was taken": ("canceled", {"amount_captured": 0}, [], []),
    "still held": ("requires_capture", {}, [], [("paid_after_cancel", "critical", 1250)]),
}


def test_a_canceled_row_asks_what_was_kept(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A canceled order whose money went back has ended well; what was kept is at stake."""
    shop = open_shop()
    expected = {}
    for key, (status, charge, disputes, found) in enumerate(CANCELED_ROWS.values(), 1):
        received = charge.get("amount_captured", 0) if status == "canceled" else None
        fields = {} if received is None else {"amount_received": received}
        intent = payment_intent(f"pi_{key}", status, charge=charge, **fields)
        if charge.get("amount_refunded") == 300:
            stripe.serve(refund(intent, 300))
        stripe.serve(intent, *(dispute(intent, state) for state in disputes))
        shop.row(key, f"pi_{key}", "canceled")
        if found:
            expected[str(key)] = found
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert {
        key: [(one["kind"], one["severity"], one["amount"]) for one in of if of]
        for key, of in shop.by_row().items()
    } == expected


def test_an_open_row_is_not_canceled_over_money(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A canceled PaymentIntent that received money does not release the order."""
    shop = open_shop()
    stripe.serve(
        payment_intent(
            "pi_1",
            "canceled",
            amount_received=700,
            charge={"amount_captured": 700, "status": "succeeded"},
        )
    )
    shop.row(1, "pi_1")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == {"1": [("amount_mismatch", "warning", None)]}


def test_both_authorized_compare_what_is_held(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A hold for another amount, or one of which something was captured, is not the row's hold."""
    shop = open_shop()
    held = payment_intent("pi_1", "requires_capture", age=DAY / 2)
    less = payment_intent("pi_2", "requires_capture", amount=1000, age=DAY / 2)
    more = payment_intent("pi_3", "requires_capture", amount=1300, age=DAY / 2)
    begun = payment_intent(
        "pi_4", "requires_capture", age=DAY / 2, amount_received=500, amount_capturable=750
    )
    dollars = payment_intent("pi_5", "requires_capture", currency="usd", age=DAY / 2)
    for key, intent in enumerate([held, less, more, begun, dollars], 1):
        stripe.serve(intent)
        shop.row(key, f"pi_{key}", "authorized")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    found = {key: (of[0]["kind"], of[0]["amount"]) for key, of in shop.by_row().items()}
    assert found["2"] == ("amount_mismatch", 250)
    assert found["3"] == ("amount_mismatch", 50)
    assert found["4"] == ("partially_captured", 500)
    assert found["5"][0] == "currency_mismatch"
    assert "1" not in found


def test_a_payment_with_several_findings_counts_once(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """In every sum of money a payment stands with its greatest stake, however many findings it has."""
    shop = open_shop()
    expiring = int((stripe.now() + DAY / 4).timestamp())
    stripe.serve(
        payment_intent(
            "pi_1",
            "requires_capture",
            amount=1000,
            charge={
                "payment_method_details": {"type": "card", "card": {"capture_before": expiring}}
            },
        )
    )
    shop.row(1, "pi_1", "authorized", 1250)
    report = shop.sweep()
    assert report["discrepancies"] == {"amount_mismatch": 1, "capture_expiring": 1}
    assert sum(one["amount"] for one in report["at_stake"]) == 1000
