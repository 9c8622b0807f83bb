"""With relink, a sweep may point a row at the payment that its order was paid by, in the plainest case alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, Row
from tests.acceptance.payments.stripe_objects import DAY, HOUR, MINUTE, payment_intent
from tests.acceptance.payments.test_retried_orders import assert_paid_by_other, retried
from tests.some_quick import some_quick


@some_quick("kind", ["due", "window", "all"], quick=(2,))
def test_relink_points_the_row_at_the_payment(open_shop: OpenShop, kind: str) -> None:
    """With relink, a sweep that may write does what a person would accept, in the plainest case."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1, "canceled")
    retried(shop, 2, "declined")
    shop.report("--kind", kind)
    shop.report("--kind", kind, "--record")
    assert shop.rows()[1].intent == "pi_first1"
    shop.sweep("--kind", kind)
    assert shop.rows() == {
        1: Row("pi_second1", "paid", 1250, "eur"),
        2: Row("pi_second2", "paid", 1250, "eur"),
    }
    assert shop.outbox() == [
        ("1", "pi_second1", "pending", "paid"),
        ("2", "pi_second2", "pending", "paid"),
    ]
    shop.sweep()
    assert shop.open() == []
    shop.assert_sound()


UNCLEAR: dict[str, dict[str, Any]] = {
    "another amount": {"amount": 1251},
    "another currency": {"currency": "usd"},
    "only held": {"paying": "requires_capture"},
    "refunded in part": {"charge": {"amount_refunded": 100}},
    "refunded": {"charge": {"amount_refunded": 1250, "refunded": True}},
    "disputed": {"charge": {"disputed": True}},
    "older than the row's own": {"age": DAY + HOUR},
    "own intent still incomplete": {"first": "requires_action"},
    "row already canceled": {"local": "canceled"},
}


def test_relink_leaves_the_unclear_to_a_person(open_shop: OpenShop) -> None:
    """Anything but one plain payment of exactly this row's money is only flagged."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    for key, case in enumerate(UNCLEAR.values(), 1):
        retried(shop, key, **case)
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        shop.assert_untouched(before)
    kinds = {key: [one[0] for one in found] for key, found in shop.flags().items()}
    assert kinds == {str(key): ["paid_by_other_intent"] for key in before}


def test_relink_needs_one_customer(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Two PaymentIntents that name different customers are not one order's; one that names none does not object."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    named = [("cus_1", "cus_2"), ("cus_1", "cus_1"), ("cus_1", None), (None, "cus_2"), (None, None)]
    for key, (first, second) in enumerate(named, 1):
        retried(shop, key, customer=second)
        stripe.change(f"pi_first{key}", customer=first)
    shop.sweep()
    assert shop.statuses() == {1: "pending", 2: "paid", 3: "paid", 4: "paid", 5: "paid"}
    assert shop.rows()[1].intent == "pi_first1"
    assert_paid_by_other(shop, 1)


def test_relink_needs_one_row_and_one_payment(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Two rows of the order, or two payments for it, are a person's to sort out."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1, order="two rows")
    stripe.serve(payment_intent("pi_third", "canceled", order="two rows"))
    shop.row(2, "pi_third", order="two rows")
    retried(shop, 3, order="two payments")
    stripe.serve(payment_intent("pi_fourth", order="two payments", age=DAY - 20 * MINUTE))
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        shop.assert_untouched(before)


def test_relink_loses_against_the_webhook(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that comes to hold the payment while the sweep decides keeps it, and the first row waits."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1)
    stripe.before("/v1/events", lambda: shop.row(2, "pi_second1", "paid", order="o-1"))
    for _ in range(2):
        shop.sweep("--kind", "due")
        assert shop.statuses() == {1: "pending", 2: "paid"}
        assert shop.rows()[1].intent == "pi_first1"
        assert shop.outbox() == []


@pytest.mark.parametrize("order", [None, "another"])
def test_a_late_holder_is_no_refusal(
    open_shop: OpenShop, stripe: ExactStripe, order: str | None
) -> None:
    """A row that takes the payment in the last moment and names no such order wins too: the first row waits, unflagged."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1)
    stripe.before("/v1/events", lambda: shop.row(2, "pi_second1", "paid", order=order))
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "pending", 2: "paid"}
    assert shop.outbox() == []
    assert "not_kept_by_table" not in [one["reason"] for one in shop.open()]


def test_relink_waits_for_a_locked_row(open_shop: OpenShop) -> None:
    """A row that the checkout has locked is not waited for and not written; the next sweep does it."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1)
    with shop.locked("SELECT * FROM payments WHERE id = 1 FOR UPDATE"):
        shop.sweep("--kind", "due")
        assert shop.rows()[1].intent == "pi_first1"
    shop.stripe.offset += HOUR
    shop.sweep("--kind", "due")
    assert shop.rows() == {1: Row("pi_second1", "paid", 1250, "eur")}
