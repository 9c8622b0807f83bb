"""Rows that hold no PaymentIntent, and rows that hold one outside the mapping, beside the money at Stripe."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, ORDERS, Row
from tests.acceptance.payments.stripe_objects import payment_intent


def test_a_settled_row_without_an_intent_never_agrees_by_link(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Paid by another gateway beside a paid intent of its order that no row holds: a person has to see both."""
    shop = open_shop(**LINKED)
    for key, local in enumerate(["paid", "refunded", "disputed", "canceled"], 1):
        stripe.serve(payment_intent(f"pi_{key}", order=f"o-{key}"))
        shop.row(key, None, local, order=f"o-{key}")
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)
    found = {ident: one for one in shop.open() for ident in before if f"pi_{ident}" in str(one)}
    assert set(found) == set(before)
    assert {one["severity"] for one in found.values()} == {"critical"}
    assert (found[1]["kind"], found[1]["reason"]) == ("ambiguous_row", "row_without_intent")
    assert "agreement" not in {one["closing"] for one in shop.discrepancies()}


def test_two_payments_for_one_order_count_without_an_intent(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The order was paid at another gateway and at Stripe: the row is corrected, and the second payment is told."""
    shop = open_shop(**ORDERS)
    stripe.serve(payment_intent("pi_2"), payment_intent("pi_4", amount=900))
    shop.row(1, None, "paid", order="o-1")
    shop.row(2, "pi_2", order="o-1")
    shop.row(3, None, "paid", 700, order="o-3")
    shop.row(4, "pi_4", amount=900, order="o-3")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "paid", 3: "paid", 4: "paid"}
    assert [(one["kind"], one["severity"]) for one in shop.open()] == [
        ("duplicate_payment", "critical")
    ]
    assert shop.rows()[1] == Row(None, "paid", 1250, "eur")


def test_a_row_outside_where_that_holds_money(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A deleted row that reads as paid, refunded or disputed is only counted; any other hides money, and is named."""
    shop = open_shop(columns="deleted boolean DEFAULT false", where="NOT deleted")
    for key, local in enumerate(["paid", "refunded", "disputed", "pending", "canceled"], 1):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", local, deleted=True)
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)
    found = {one["payment_intent"]: one for one in shop.open()}
    assert {ident: (one["kind"], one["reason"]) for ident, one in found.items()} == {
        "pi_4": ("missing_locally", "row_excluded"),
        "pi_5": ("missing_locally", "row_excluded"),
    }
    assert "4" in str(found["pi_4"]["payment"]) + str(found["pi_4"]["evidence"])
