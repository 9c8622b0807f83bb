"""More of what happens in the payments of the real world: each is one more of a kind that another test has."""

from __future__ import annotations

from typing import Any

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    balance_transaction,
    bank_transfer,
    checkout_session,
    dispute,
    payment_intent,
    refund,
)

REFUNDED: dict[str, Any] = {"amount_refunded": 1250, "refunded": True}


def test_rows_of_three_currencies(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Rows of one PaymentIntent in several currencies are no attempts and no parts, also if one of them fits."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    for key, currency in enumerate(("eur", "usd", "gbp"), 1):
        shop.row(key, "pi_1", "pending", 1250, currency)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == {"1 2 3": [("ambiguous_row", "critical", None)]}


def test_the_third_try_was_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Two PaymentIntents of the order were canceled and a third was paid: the row that holds the first is not released."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_1", "canceled", order="o-1", age=3 * HOUR))
    stripe.serve(payment_intent("pi_2", "canceled", order="o-1", age=2 * HOUR))
    stripe.serve(payment_intent("pi_3", order="o-1", age=HOUR))
    shop.row(1, "pi_1", "pending", order="o-1", age=3 * HOUR)
    before = shop.rows()
    for kind in ("due", "all"):
        shop.sweep("--kind", kind)
        shop.assert_untouched(before)
    found = shop.only()
    assert (found["kind"], found["payment"]) == ("paid_by_other_intent", "1")
    assert found["evidence"]["paying_intent"] == "pi_3"


def test_another_gateway_was_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The customer gave up at Stripe and paid the order with another gateway: its Stripe row is not released."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_1", "canceled", order="o-1"))
    shop.row(1, "pi_1", "pending", order="o-1")
    shop.row(2, "PAYID-7", "paid", order="o-1")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == {"1": [("missed_outcome", "warning", "order_paid")]}


def test_a_capture_of_less_in_both_shapes(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The row has the captured amount. What was released is no refund, whichever API version captured."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", amount=1500, captured=1250))
    old = payment_intent("pi_2", amount=1500, captured=1250, charge={"amount_refunded": 250})
    stripe.serve(old, refund(old, 250), balance_transaction(old, 1500))
    both = payment_intent("pi_3", amount=1500, captured=1250, charge={"amount_refunded": 350})
    stripe.serve(both, refund(both, 250), refund(both, 100), balance_transaction(both, 1500))
    for key in (1, 2, 3):
        shop.row(key, f"pi_{key}", "pending", 1250)
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "paid", 3: "pending"}
    found = shop.only()
    assert (found["kind"], found["payment"], found["amount"]) == ("refund_drift", "3", 100)


def test_several_partial_refunds(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Three refunds that add up are all of the money, two of them are not."""
    shop = open_shop()
    whole = payment_intent("pi_1", charge=REFUNDED)
    stripe.serve(whole, *(refund(whole, amount) for amount in (250, 500, 500)))
    part = payment_intent("pi_2", charge={"amount_refunded": 750})
    stripe.serve(part, refund(part, 250), refund(part, 500))
    shop.row(1, "pi_1", "refunded")
    shop.row(2, "pi_2", "refunded")
    shop.sweep("--kind", "window")
    found = shop.only()
    assert (found["kind"], found["payment"], found["amount"]) == ("refund_missing", "2", 500)


def test_a_won_dispute_and_then_a_refund(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The dispute is over, so the refund decides: an open row is not paid, a refunded one agrees."""
    shop = open_shop()
    for key, status in ((1, "pending"), (2, "refunded"), (3, "paid")):
        intent = payment_intent(f"pi_{key}", charge={**REFUNDED, "disputed": True})
        stripe.serve(intent, refund(intent, 1250), dispute(intent, "won"))
        shop.row(key, f"pi_{key}", status)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {"1": [("refund_drift", None)], "3": [("refund_drift", None)]}


def test_a_lost_dispute_after_a_partial_refund(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A refund and a lost dispute add up: nothing of a refunded row is missing, and a canceled order kept nothing."""
    shop = open_shop()
    for key, status in ((1, "refunded"), (2, "canceled"), (3, "disputed")):
        intent = payment_intent(f"pi_{key}", charge={"amount_refunded": 500, "disputed": True})
        stripe.serve(intent, refund(intent, 500), dispute(intent, "lost", amount=750))
        shop.row(key, f"pi_{key}", status)
    shop.sweep("--kind", "window")
    assert shop.open() == []


def test_a_transfer_in_part_that_was_canceled(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Money came in part and the shop canceled the order: critical, and what arrived is at stake, on either side."""
    shop = open_shop()
    stripe.serve(bank_transfer("pi_1", 250))
    shop.row(1, "pi_1", "canceled")
    stripe.serve(bank_transfer("pi_2", 1250))
    shop.row(2, "pi_2", "canceled")
    shop.sweep("--kind", "window")
    found = shop.only()
    assert (found["kind"], found["severity"]) == ("partially_funded", "critical")
    assert (found["payment"], found["amount"]) == ("1", 1000)


def test_a_hold_of_a_card_in_person(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Interac names no capture_before: its hold ends like that of any other card in person."""
    shop = open_shop()
    details = {"payment_method_details": {"type": "interac_present"}}
    for key, age in ((1, 30 * HOUR), (2, 2 * HOUR)):
        stripe.serve(
            payment_intent(
                f"pi_{key}", "requires_capture", age=age, method="interac_present", charge=details
            )
        )
        shop.row(key, f"pi_{key}", "authorized")
    shop.sweep()
    assert shop.reasons() == {"1": [("capture_expiring", None)]}


def test_an_expired_session_whose_order_was_paid_later(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The row holds the first session, which expired; a second one was paid. The id in the column stays."""
    shop = open_shop(**LINKED)
    stripe.serve(
        checkout_session("cs_test_1", None, status="expired", payment_status="unpaid", order="o-1")
    )
    stripe.serve(payment_intent("pi_2", order="o-1", age=HOUR))
    shop.row(1, "cs_test_1", "pending", order="o-1")
    for kind in ("due", "all", "all"):
        shop.sweep("--kind", kind)
    row = shop.rows()[1]
    assert row.intent == "cs_test_1"
    assert row.status == "paid" or "pi_2" in {one["payment_intent"] for one in shop.open()}


def test_ids_with_blanks_or_capitals(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Stripe's ids are exact: another text is another id, and nothing is guessed or written."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"), payment_intent("pi_3"))
    shop.row(1, "pi_1 ", "pending")
    shop.row(2, "PI_2", "pending")
    shop.row(3, "pi_3", "pending")
    shop.sweep()
    statuses = shop.statuses()
    assert statuses[2] == "pending"
    assert statuses[3] == "paid"
    # money of which no row says so is never passed over
    named = {one["payment_intent"] for one in shop.open()}
    assert statuses[1] == "paid" or "pi_1" in named
    assert "pi_2" in named


def test_an_order_with_quotes(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An order's text with quotes and backslashes is found as it is: the retry that was paid keeps the row."""
    shop = open_shop(**LINKED)
    for key, order in enumerate(('o"1', "o'2", "o\\3", 'o\\"4 OR status:"succeeded"'), 1):
        stripe.serve(payment_intent(f"pi_{key}", "canceled", order=order, age=2 * DAY))
        stripe.serve(payment_intent(f"pi_{key}x", order=order, age=DAY))
        shop.row(key, f"pi_{key}", "pending", order=order, age=2 * DAY)
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert set(shop.open_kinds()) == {"paid_by_other_intent"}
    assert len(shop.open()) == 4


def test_an_order_of_deposit_and_rest(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Two rows of one order hold their own PaymentIntents: a canceled rest does not release a paid deposit."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_1", amount=500, order="o-1"))
    stripe.serve(payment_intent("pi_2", "canceled", amount=750, order="o-1", age=HOUR))
    shop.row(1, "pi_1", "pending", 500, order="o-1")
    shop.row(2, "pi_2", "pending", 750, order="o-1", age=HOUR)
    shop.sweep()
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending"}
    assert shop.reasons() == {"2": [("missed_outcome", "order_paid")]}


def test_a_refund_that_failed(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A refund that the bank sent back is none: the money of a refunded row is missing."""
    shop = open_shop()
    intent = payment_intent("pi_1")
    stripe.serve(intent, refund(intent, 1250, "failed"))
    shop.row(1, "pi_1", "refunded")
    shop.sweep("--kind", "window")
    found = shop.only()
    assert (found["kind"], found["amount"]) == ("refund_missing", 1250)
