"""Money that is held ends some day, for every payment method; a bank transfer may come in part."""

from __future__ import annotations

from datetime import timedelta

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import json_text
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    bank_transfer,
    event,
    payment_intent,
)
from tests.some_quick import some_quick

WINDOWS = {
    "affirm": 30,
    "cashapp": 7,
    "paypal": 10,
    "afterpay_clearpay": 13,
}
"""The shortest documented days for which a hold of the method is good."""


def test_holds_of_every_method_end(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A hold of a method for which Stripe states no time is expected to end with the documented window."""
    shop = open_shop()
    for number, (method, days) in enumerate(WINDOWS.items(), 1):
        for key, left in ((number, 12 * HOUR), (10 + number, 60 * HOUR)):
            age = timedelta(days=days) - left
            stripe.serve(payment_intent(f"pi_{key}", "requires_capture", method=method, age=age))
            shop.row(key, f"pi_{key}", "authorized", age=age)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    found = {one["payment"]: (one["kind"], one["severity"], one["amount"]) for one in shop.open()}
    assert found == {
        str(number): ("capture_expiring", "warning", 1250) for number in range(1, len(WINDOWS) + 1)
    }


def test_the_finding_says_which_time_it_goes_by(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What Stripe states wins over the documented window, and the evidence says which of the two it is."""
    shop = open_shop()
    soon = int((stripe.now() + 6 * HOUR).timestamp())
    late = int((stripe.now() + 5 * DAY).timestamp())
    times = {1: soon, 2: late, 3: None}
    for key, capture_before in times.items():
        age = 6 * DAY + 12 * HOUR
        details = {"type": "card", "card": {"capture_before": capture_before}}
        stripe.serve(
            payment_intent(
                f"pi_{key}",
                "requires_capture",
                age=age,
                charge={"payment_method_details": details},
            )
        )
        shop.row(key, f"pi_{key}", "authorized", age=age)
    shop.sweep()
    found = {one["payment"]: json_text(one["evidence"]) for one in shop.open()}
    assert set(found) == {"1", "3"}
    documented = {key: "documented" in text or "window" in text for key, text in found.items()}
    assert documented == {"1": False, "3": True}


@some_quick("kind", ["due", "window", "all"], quick=1)
def test_a_bank_transfer_that_came_in_part(
    open_shop: OpenShop, stripe: ExactStripe, kind: str
) -> None:
    """What has arrived is at stake: a warning, and critical if the order was released; never an abandoned cart."""
    shop = open_shop()
    cases = {
        1: ("pending", 250, 1250, 3 * DAY, "warning"),
        2: ("pending", 1, 1250, 45 * DAY, "warning"),
        3: ("pending", 1999, 2000, 20 * DAY, "warning"),
        4: ("failed", 250, 1250, 3 * DAY, "warning"),
    }
    for key, (local, remaining, amount, age, _) in cases.items():
        stripe.serve(bank_transfer(f"pi_{key}", remaining, amount=amount, age=age))
        shop.row(key, f"pi_{key}", local, amount, age=age)
    before = shop.rows()
    report = shop.sweep("--kind", kind, *(["--since", "60d"] if kind == "window" else []))
    shop.assert_untouched(before)
    found = {
        key: [(one["kind"], one["severity"], one["amount"], one["currency"]) for one in of]
        for key, of in shop.by_row().items()
    }
    assert found == {
        str(key): [("partially_funded", severity, amount - remaining, "eur")]
        for key, (_, remaining, amount, _, severity) in cases.items()
    }
    assert report["abandoned"] == 0


def test_a_canceled_order_that_was_paid_in_part(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Money has come for an order that was released: critical, by the list and by the event."""
    shop = open_shop()
    for key, age in ((1, 3 * DAY), (2, 9 * DAY)):
        part = bank_transfer(f"pi_{key}", 400, age=age)
        stripe.serve(part, event("payment_intent.partially_funded", part, age=2 * DAY))
        shop.row(key, f"pi_{key}", "canceled", age=age)
    before = shop.rows()
    shop.sweep("--kind", "tail")
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert shop.flags() == {
        "1": [("partially_funded", "critical", None)],
        "2": [("partially_funded", "critical", None)],
    }
    assert [one["amount"] for one in shop.open()] == [850, 850]


def test_it_stands_beside_the_pair_kinds(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that reads as paid or processing has its own finding, and this one besides."""
    shop = open_shop()
    for key, local in ((1, "processing"), (2, "paid")):
        stripe.serve(bank_transfer(f"pi_{key}", 250))
        shop.row(key, f"pi_{key}", local)
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert {key: [one[0] for one in of] for key, of in shop.flags().items()} == {
        "1": ["regressed", "partially_funded"],
        "2": ["contradicted", "partially_funded"],
    }


def test_nothing_has_arrived_yet(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A transfer of which nothing came is an open payment like any other, and an abandoned cart when it is old."""
    shop = open_shop()
    stripe.serve(bank_transfer("pi_1", 1250), bank_transfer("pi_2", 1250, age=45 * DAY))
    shop.row(1, "pi_1")
    shop.row(2, "pi_2", age=45 * DAY)
    before = shop.rows()
    report = shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert shop.open() == []
    assert report["abandoned"] == 1


def test_the_rest_arrives(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """When the rest has come, the row is corrected, and the finding about the part is closed."""
    shop = open_shop()
    stripe.serve(bank_transfer("pi_1", 250, age=46 * DAY))
    shop.row(1, "pi_1", age=46 * DAY)
    shop.sweep()
    assert shop.open_kinds() == ["partially_funded"]
    stripe.serve(payment_intent("pi_1", method="customer_balance", age=46 * DAY))
    stripe.offset = HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid"}
    assert shop.open() == []
    shop.assert_sound()


def test_more_of_it_arrives(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Another part changes the money at stake of the same finding."""
    shop = open_shop()
    stripe.serve(bank_transfer("pi_1", 900))
    shop.row(1, "pi_1")
    shop.sweep()
    first = shop.only()
    stripe.serve(bank_transfer("pi_1", 100))
    stripe.offset = HOUR
    shop.sweep("--kind", "window")
    second = shop.only()
    assert (first["amount"], second["amount"]) == (350, 1150)
    assert first["id"] == second["id"]


def test_explain_says_what_has_come(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A person who asks is not advised to wait for a customer who has paid a part."""
    shop = open_shop()
    stripe.serve(bank_transfer("pi_1", 250))
    shop.row(1, "pi_1")
    answer = shop.run("explain", "pi_1")
    assert answer.code == 0, answer.err
    assert "partially_funded" in answer.out
    assert "10.00" in answer.out


def test_a_klarna_hold_is_good_for_weeks(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Klarna's window is 28 calendar days: no alarm after two weeks, and one when the last day has come."""
    shop = open_shop()
    for key, age in ((1, 14 * DAY), (2, 25 * DAY), (3, 27 * DAY + HOUR)):
        stripe.serve(payment_intent(f"pi_{key}", "requires_capture", method="klarna", age=age))
        shop.row(key, f"pi_{key}", "authorized", age=age)
    shop.sweep()
    assert shop.flags() == {"3": [("capture_expiring", "warning", None)]}
