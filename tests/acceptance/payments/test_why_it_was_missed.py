"""Why a webhook was missed is said only as far as it is known."""

from __future__ import annotations

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop
from tests.acceptance.payments.stripe_objects import (
    DAY,
    MINUTE,
    Json,
    event,
    payment_intent,
    seconds_ago,
)

SUCCEEDED = "payment_intent.succeeded"
EVENT_OF = {"succeeded": "succeeded", "requires_capture": "amount_capturable_updated"}


def causes(shop: PaymentShop) -> dict[str, str | None]:
    """The cause of each discrepancy, by its PaymentIntent."""
    return {one["payment_intent"]: one["cause"] for one in shop.discrepancies()}


def lost(shop: PaymentShop, key: int, status: str, pending: int, *others: Json) -> None:
    """A payment of ten minutes ago whose webhook is lost, with the event of its outcome, and other events."""
    intent = payment_intent(f"pi_{key}", status, age=10 * MINUTE)
    kind = f"payment_intent.{EVENT_OF[status]}"
    shop.stripe.serve(intent, event(kind, intent, age=9 * MINUTE, pending=pending), *others)
    shop.row(key, f"pi_{key}", age=10 * MINUTE)


@pytest.mark.parametrize("kinds", [("all",), ("tail",), ("tail", "due")])
def test_what_the_events_show(open_shop: OpenShop, kinds: tuple[str, ...]) -> None:
    """A delivery that is pending means undelivered; none pending means only that: nothing_pending."""
    shop = open_shop()
    pending = {1: 1, 2: 0, 3: 4, 4: 0}
    for key, count in pending.items():
        lost(shop, key, "succeeded" if key <= 2 else "requires_capture", count)
    for kind in kinds:
        shop.sweep("--kind", kind)
    assert causes(shop) == {
        "pi_1": "undelivered",
        "pi_2": "nothing_pending",
        "pi_3": "undelivered",
        "pi_4": "nothing_pending",
    }


def test_only_the_event_of_the_change_counts(open_shop: OpenShop) -> None:
    """Another event of the PaymentIntent that is still pending says nothing about the one that was lost."""
    shop = open_shop()
    intent = payment_intent("pi_1", "requires_action", age=10 * MINUTE)
    created = event("payment_intent.created", intent, age=10 * MINUTE, pending=2)
    lost(shop, 1, "succeeded", 0, created)
    shop.sweep()
    assert causes(shop) == {"pi_1": "nothing_pending"}


def test_an_event_that_stripe_never_made(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The events around the change were read whole, and none is about it: never_generated."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", "requires_action", age=20 * MINUTE))
    stripe.serve(payment_intent("pi_2", "processing", age=20 * MINUTE))
    for key in (1, 2):
        shop.row(key, f"pi_{key}", age=20 * MINUTE)
    for kind in ("all", "tail"):
        shop.sweep("--kind", kind)
    # both are paid three minutes from now, and only one of them has an event
    later = {"created": seconds_ago(-3 * MINUTE)}
    stripe.serve(payment_intent("pi_1", age=20 * MINUTE, charge=later))
    other = payment_intent("pi_2", age=20 * MINUTE, charge=later)
    stripe.serve(other, event(SUCCEEDED, other, age=-3 * MINUTE))
    stripe.offset = 10 * MINUTE
    for kind in ("tail", "due"):
        shop.sweep("--kind", kind)
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


@pytest.mark.parametrize(("pending", "cause"), [(1, "undelivered"), (0, "nothing_pending")])
def test_a_payment_without_a_row_has_a_cause_too(
    open_shop: OpenShop, stripe: ExactStripe, pending: int, cause: str
) -> None:
    """The webhook that would have made the row was lost: what the events show of it is said."""
    shop = open_shop()
    intent = payment_intent("pi_1", age=10 * MINUTE)
    stripe.serve(intent, event(SUCCEEDED, intent, age=9 * MINUTE, pending=pending))
    shop.run("sweep", "--record")
    (found,) = shop.open()
    assert (found["kind"], found["cause"]) == ("missing_locally", cause)
