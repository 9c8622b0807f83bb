"""Of several rows that hold one PaymentIntent, a person says which one is meant."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.stripe_objects import payment_intent
from tests.acceptance.payments.test_attempts_and_parts import attempts, together
from tests.some_quick import some_quick


@some_quick("second", ["pending", "processing"], quick=1)
def test_a_person_names_the_row(open_shop: OpenShop, stripe: ExactStripe, second: str) -> None:
    """Accepting with --row writes that row and no other, and settles the question."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10"))
    together(shop, 10, attempts("pending", second))
    shop.sweep()
    found = shop.only()
    assert shop.accept(found["id"]).code != 0
    assert shop.outbox() == []
    answer = shop.accept(found["id"], "--row", "11")
    assert answer.code == 0, answer.err
    assert shop.statuses() == {10: "pending", 11: "paid"}
    assert shop.outbox() == [("11", "pi_10", second, "paid")]
    for _ in range(2):
        shop.sweep()
        assert shop.statuses() == {10: "pending", 11: "paid"}
        assert shop.open() == []
    shop.assert_sound()


def test_a_second_row_is_not_accepted_as_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """If another row that holds the intent reads as paid, accepting is refused with 1, and that row is named."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10"), payment_intent("pi_20"))
    together(shop, 10, attempts("paid", "pending"))
    together(shop, 20, [("pending", 1250), ("pending", 900), ("paid", 1250)])
    before = shop.rows()
    shop.sweep()
    by_intent = {
        one["payment_intent"]: one for one in shop.open() if one["kind"] == "ambiguous_row"
    }
    refused = {"pi_10": ("11", "10"), "pi_20": ("20", "22")}
    for intent, (row, paid) in refused.items():
        answer = shop.accept(by_intent[intent]["id"], "--row", row)
        assert answer.code == 1
        assert paid in answer.err
    shop.assert_untouched(before)


def test_a_row_that_is_not_of_the_finding_is_refused(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """--row takes only a row that the finding names."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10"))
    together(shop, 10, attempts("pending", "pending"))
    shop.row(50, "pi_other")
    shop.sweep("--payment-intent", "pi_10")
    before = shop.rows()
    for row in ("50", "999"):
        assert shop.accept(shop.only()["id"], "--row", row).code == 64
    shop.assert_untouched(before)
