"""Why a webhook was missed is said only as far as it is known."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    MINUTE,
    event,
    payment_intent,
    seconds_ago,
)

SUCCEEDED = "payment_intent.succeeded"


def causes(shop: PaymentShop) -> dict[str, str | None]:
    """The cause of each discrepancy, by its PaymentIntent."""
    return {one["payment_intent"]: one["cause"] for one in shop.discrepancies()}


def test_what_the_events_show(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A delivery that is pending means undelivered; none pending means only that: nothing_pending."""
    shop = open_shop()
    pending = {1: 1, 2: 0, 3: 4, 4: 0}
    for key, count in pending.items():
        intent = payment_intent(f"pi_{key}", "canceled" if key > 2 else "succeeded")
        kind = SUCCEEDED if key <= 2 else "payment_intent.canceled"
        stripe.serve(intent, event(kind, intent, pending=count))
        shop.row(key, f"pi_{key}", "pending" if key <= 2 else "paid")
    shop.sweep("--kind", "tail")
    shop.sweep()
    assert causes(shop) == {
        "pi_1": "undelivered",
        "pi_2": "nothing_pending",
        "pi_3": "undelivered",
        "pi_4": "nothing_pending",
    }


def test_only_the_event_of_the_change_counts(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Another event of the PaymentIntent that is still pending says nothing about the one that was lost."""
    shop = open_shop()
    intent = payment_intent("pi_1")
    stripe.serve(
        intent,
        event("payment_intent.created", intent, age=DAY, pending=2),
        event(SUCCEEDED, intent, pending=0),
    )
    shop.row(1, "pi_1")
    shop.sweep()
    assert causes(shop) == {"pi_1": "nothing_pending"}


def test_a_payment_without_a_row_has_a_cause(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The webhook that would have made the row was not delivered."""
    shop = open_shop()
    intent = payment_intent("pi_1")
    stripe.serve(intent, payment_intent("pi_2"), event(SUCCEEDED, intent, pending=1))
    shop.row(2, "pi_2", "paid")
    shop.sweep()
    assert causes(shop) == {"pi_1": "undelivered"}


def test_an_event_that_stripe_never_made(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The events around the change were read whole, and none is about it: never_generated."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", "requires_action", age=20 * MINUTE))
    stripe.serve(payment_intent("pi_2", "processing", age=20 * MINUTE))
    for key in (1, 2):
        shop.row(key, f"pi_{key}", age=20 * MINUTE)
    for _ in range(2):
        shop.sweep()
    # both are paid three minutes from now, and only one of them has an event
    later = {"created": seconds_ago(-3 * MINUTE)}
    stripe.serve(payment_intent("pi_1", age=20 * MINUTE, charge=later))
    other = payment_intent("pi_2", age=20 * MINUTE, charge=later)
    stripe.serve(other, event(SUCCEEDED, other, age=-3 * MINUTE))
    stripe.offset = 10 * MINUTE
    shop.sweep()
    stripe.offset = HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "paid"}
    found = causes(shop)
    assert found["pi_1"] == "never_generated"
    assert found["pi_2"] == "nothing_pending"


def test_what_is_older_than_stripes_memory(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Stripe keeps events for 30 days: an older change is out_of_reach."""
    shop = open_shop()
    for key, age in ((1, 40 * DAY), (2, 90 * DAY)):
        stripe.serve(payment_intent(f"pi_{key}", age=age))
        shop.row(key, f"pi_{key}", age=age)
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid"}
    assert causes(shop) == {"pi_1": "out_of_reach", "pi_2": "out_of_reach"}


def test_what_is_not_known_has_no_cause(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A PaymentIntent that Stripe does not know has no event, and so no cause."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "paid")
    shop.row(2, "pi_unknown", "paid")
    shop.sweep("--kind", "window")
    assert causes(shop) == {"pi_unknown": None}
