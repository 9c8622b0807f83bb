"""With link_description a payment without a row is joined to its order's row by the PaymentIntent's description."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import ORDERS, Row
from tests.acceptance.payments.stripe_objects import DAY, HOUR, payment_intent
from tests.some_quick import some_quick

DESCRIBED = {**ORDERS, "link_description": True}


@some_quick("kind", ["window", "all"], quick=1)
def test_a_payment_is_joined_by_its_description(
    open_shop: OpenShop, stripe: ExactStripe, kind: str
) -> None:
    """Blanks around the order do not matter; other text, other money and an unpaid PaymentIntent do. A second sweep is quiet."""
    shop = open_shop(**DESCRIBED)
    for key in range(1, 7):
        shop.row(key, None, order=f"A{key}")
    stripe.serve(payment_intent("pi_1", description=" A1\n"))
    stripe.serve(payment_intent("pi_2", description="Order A2"))
    stripe.serve(payment_intent("pi_3", description="A3", amount=990))
    stripe.serve(payment_intent("pi_4", description="A4", currency="usd"))
    stripe.serve(payment_intent("pi_5", "canceled", description="A5"))
    stripe.serve(payment_intent("pi_6", "requires_capture", description="A6"))
    before = shop.rows()
    shop.sweep("--kind", kind)
    assert shop.rows() == before | {
        1: Row("pi_1", "paid", 1250, "eur"),
        6: Row("pi_6", "authorized", 1250, "eur"),
    }
    missing = {one["payment_intent"]: one["kind"] for one in shop.open()}
    assert {name: missing.get(name) for name in ("pi_1", "pi_2", "pi_3", "pi_4", "pi_5")} == {
        "pi_1": None,
        "pi_2": "missing_locally",
        "pi_3": "missing_locally",
        "pi_4": "missing_locally",
        "pi_5": None,
    }
    after = shop.rows()
    shop.sweep("--kind", kind)
    assert shop.rows() == after
    shop.assert_sound()


def test_explain_joins_it_too(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What explain says is what a sweep would do."""
    shop = open_shop(**DESCRIBED)
    shop.row(1, None, order="A1")
    stripe.serve(payment_intent("pi_1", description="A1"))
    answer = shop.run("explain", "pi_1", "--json")
    decision = answer.json["decision"]
    assert (decision["act"], decision["payment"]) == ("correct", "1")


def test_two_payments_for_one_row_are_a_persons(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A description in one and the metadata in the other: both name the row, and nothing is written."""
    shop = open_shop(**DESCRIBED, link_metadata="order_id")
    shop.row(1, None, order="A1")
    stripe.serve(payment_intent("pi_1", description="A1"))
    stripe.serve(payment_intent("pi_2", order="A1", age=DAY - HOUR))
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert {one["kind"] for one in shop.open()} == {"ambiguous_row", "duplicate_payment"}


def test_a_described_payment_is_not_relinked(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that holds a canceled PaymentIntent is not pointed at another by a description, and is not released either."""
    shop = open_shop(**DESCRIBED, link_metadata="order_id")
    shop.configure(corrections={"relink": True})
    stripe.serve(payment_intent("pi_first", "canceled", order="A1"))
    shop.row(1, "pi_first", order="A1")
    stripe.serve(payment_intent("pi_second", description="A1", age=DAY - HOUR))
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        shop.assert_untouched(before)
    found = {one["payment_intent"]: (one["kind"], one["reason"]) for one in shop.open()}
    assert found["pi_first"] == ("missed_outcome", "maybe_paid")
    assert found["pi_second"][0] == "missing_locally"
