"""Before a row becomes failed or canceled, every other intent of its order is known, or nothing is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import SEARCH, ExactStripe
from tests.acceptance.payments.shop import LINKED, ORDERS, PaymentShop
from tests.acceptance.payments.stripe_objects import DAY, HOUR, MINUTE, payment_intent
from tests.acceptance.payments.test_retried_orders import assert_paid_by_other, retried
from tests.some_quick import some_quick

NEGATIVE = {"canceled": "canceled", "declined": "failed"}


def unpaid(
    shop: PaymentShop, key: int, status: str = "canceled", age: timedelta = DAY, order: str = ""
) -> None:
    """An order with one PaymentIntent, which came to nothing, and its pending row."""
    order = order or f"o-{key}"
    shop.stripe.serve(payment_intent(f"pi_{key}", status, order=order, age=age))
    shop.row(key, f"pi_{key}", order=order, age=age)


@pytest.mark.parametrize("kind", ["due", "window", "all"])
def test_a_known_order_without_money_is_released(open_shop: OpenShop, kind: str) -> None:
    """The ordinary missed failure or cancellation is still corrected, by the search as by the list."""
    shop = open_shop(**LINKED)
    unpaid(shop, 1, "canceled")
    unpaid(shop, 2, "declined")
    shop.sweep("--kind", kind)
    assert shop.statuses() == {1: "canceled", 2: "failed"}
    assert shop.open() == []
    shop.assert_sound()


def test_an_open_intent_of_the_order_is_waited_for(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The customer may be in 3-D Secure this minute: the row waits for a day, and then a person is asked."""
    shop = open_shop(**LINKED)
    others = ["requires_action", "requires_payment_method", "declined", "requires_confirmation"]
    for key, other in enumerate(others, 1):
        retried(shop, key, "canceled", other, age=2 * HOUR)
        retried(shop, 10 + key, "declined", other, age=2 * HOUR)
    before = shop.rows()
    report = shop.sweep()
    assert report["waiting"] == len(before)
    assert shop.open() == []
    stripe.offset = 25 * HOUR
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {str(key): [("missed_outcome", "other_intent_open")] for key in before}


def test_the_open_intent_is_paid_while_the_row_waits(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A row that waited is read again, and finds that the retry paid."""
    shop = open_shop(**LINKED)
    retried(shop, 1, "canceled", "requires_action", age=2 * HOUR)
    before = shop.rows()
    shop.sweep("--kind", "due")
    paid = payment_intent("pi_second1", order="o-1", age=2 * HOUR)
    stripe.serve(paid)
    stripe.offset = 23 * HOUR
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert_paid_by_other(shop, 1)


def test_an_intent_that_is_over_or_older_is_not_waited_for(open_shop: OpenShop) -> None:
    """A canceled intent, and one that was left before the row's own began, do not keep the row open."""
    shop = open_shop(**LINKED)
    retried(shop, 1, "canceled", "canceled", age=HOUR)
    retried(shop, 2, "canceled", "requires_action", age=DAY + HOUR)
    retried(shop, 3, "declined", "requires_payment_method", age=DAY + 2 * HOUR)
    shop.sweep()
    assert shop.statuses() == {1: "canceled", 2: "canceled", 3: "failed"}


def test_an_intent_in_processing_keeps_the_order(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A bank debit that is under way may pay the order for many days: nothing negative is written."""
    shop = open_shop(**LINKED)
    retried(shop, 1, "canceled", "processing", method="sepa_debit", age=3 * HOUR)
    retried(shop, 2, "canceled", "processing", method="sepa_debit", age=DAY + HOUR)
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        shop.assert_untouched(before)
        stripe.offset += 3 * DAY


def test_a_refused_search_writes_nothing(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An account that may not search does not know its orders: a person is asked, and the refusal is remembered."""
    shop = open_shop(**LINKED)
    stripe.refuse(SEARCH, 403, "Search is not available in your country.")
    unpaid(shop, 1, "canceled", 20 * DAY)
    unpaid(shop, 2, "declined", 21 * DAY)
    before = shop.rows()
    for _ in range(2):
        shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert shop.reasons() == {
        "1": [("missed_outcome", "order_not_known")],
        "2": [("missed_outcome", "order_not_known")],
    }
    assert len(stripe.asked(SEARCH)) == 1
    assert "search" in shop.run("doctor").out.lower()
    stripe.offset = DAY + HOUR
    stripe.relent()
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled", 2: "failed"}


def test_a_complete_list_needs_no_search(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A window that was read whole knows the orders in it: no search is sent, and the rows are corrected."""
    shop = open_shop(**LINKED)
    stripe.refuse(SEARCH, 403, "Search is not available in your country.")
    unpaid(shop, 1, "canceled", 5 * DAY)
    unpaid(shop, 2, "declined", 6 * DAY)
    shop.sweep("--kind", "window", "--since", "20d")
    assert shop.statuses() == {1: "canceled", 2: "failed"}
    assert stripe.asked(SEARCH) == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_failing_search_waits(open_shop: OpenShop, stripe: ExactStripe, status: int) -> None:
    """A search that fails for now is tried again later; until then nothing is written and nothing is found."""
    shop = open_shop(**LINKED)
    unpaid(shop, 1, "canceled", 20 * DAY)
    before = shop.rows()
    stripe.refuse(SEARCH, status)
    shop.run("sweep", "--apply", "--kind", "due")
    shop.assert_untouched(before)
    assert shop.open() == []
    stripe.relent()
    stripe.offset = HOUR
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}


def test_a_search_without_end_writes_nothing(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """More pages than the bound are not read, and what was not read is not known."""
    shop = open_shop(**LINKED)
    stripe.search.endless = True
    unpaid(shop, 1, "canceled", 20 * DAY)
    before = shop.rows()
    shop.run("sweep", "--apply", "--kind", "due")
    shop.assert_untouched(before)
    assert 0 < len(stripe.asked(SEARCH)) < 100


def test_what_the_search_has_not_indexed_is_in_the_list(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The search lags by up to an hour: the payments of some minutes ago are found by the list of the last hour."""
    shop = open_shop(**LINKED)
    stripe.search.lag = HOUR
    for key, age in enumerate([10 * MINUTE, 30 * MINUTE, 55 * MINUTE], 1):
        retried(shop, key, age=age)
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    for key in before:
        assert_paid_by_other(shop, key)


def test_the_search_is_no_witness_of_a_status(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The index may still have the intent as it was: each one found is retrieved."""
    shop = open_shop(**LINKED)
    for key, stale in enumerate(["canceled", "requires_action", "declined"], 1):
        retried(shop, key)
        stripe.search.stale[f"pi_second{key}"] = payment_intent(
            f"pi_second{key}", stale, order=f"o-{key}", age=DAY
        )
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    for key in before:
        assert_paid_by_other(shop, key)


def test_an_order_is_compared_letter_by_letter(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What the search finds besides does not name this order: another case, a longer number."""
    shop = open_shop(**LINKED)
    unpaid(shop, 1, age=20 * DAY, order="o-1")
    others = {"pi_a": "O-1", "pi_b": "o-10", "pi_c": "xo-1", "pi_d": "o-"}
    for ident, order in others.items():
        stripe.serve(payment_intent(ident, order=order, age=19 * DAY))
    stripe.search.inexact = list(others)
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}


def test_any_order_can_be_searched(open_shop: OpenShop) -> None:
    """Quotes and backslashes in an order's text are escaped: the retry is found, and the order is not released."""
    shop = open_shop(**LINKED)
    orders = ['a "quoted" one', "back\\slash\\", "O'Neill", "o-1 OR status:x", '"', "№1 — ünï"]
    for key, order in enumerate(orders, 1):
        retried(shop, key, order=order)
        unpaid(shop, 10 + key, order=order + "x")
    shop.sweep("--kind", "due")
    released = {key for key, status in shop.statuses().items() if status == "canceled"}
    assert released == {10 + key for key in range(1, len(orders) + 1)}
    for key in range(1, len(orders) + 1):
        assert_paid_by_other(shop, key)


def test_many_orders_share_a_search(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """One search names as many orders as the query takes, none is left out, and the last hour is listed once."""
    shop = open_shop(**LINKED)
    for key in range(1, 36):
        if key % 3:
            unpaid(shop, key, age=20 * DAY)
        else:
            retried(shop, key)
    shop.sweep("--kind", "due")
    assert shop.statuses() == {key: "canceled" if key % 3 else "pending" for key in range(1, 36)}
    for key in range(3, 36, 3):
        assert_paid_by_other(shop, key)
    assert 0 < len(stripe.asked(SEARCH)) <= 5
    listed = [one for one in stripe.requests if one.path == "/v1/payment_intents"]
    assert len(listed) <= 5


@some_quick("kind", ["due", "window", "all"], quick=1)
def test_each_row_is_written_once(open_shop: OpenShop, kind: str) -> None:
    """A sweep that meets an intent both in a list and by a retrieve makes one correction, with one outbox row."""
    shop = open_shop(**LINKED)
    for key in range(1, 41):
        unpaid(shop, key, "declined" if key % 2 else "canceled")
    for key in range(41, 47):
        retried(shop, key, paying="requires_action" if key % 2 else "succeeded")
    report = shop.sweep("--kind", kind)
    assert report["corrected"] == 40
    assert sorted(int(key) for key, *_ in shop.outbox()) == list(range(1, 41))
    assert len(shop.ledger("correction")) == 40


def test_an_old_payment_under_the_same_number_is_not_this_order(open_shop: OpenShop) -> None:
    """An order number that was used weeks ago does not pay this row, which keeps its own PaymentIntent."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(shop, 1, age=25 * DAY)
    retried(shop, 2, "declined", age=3 * DAY)
    shop.sweep()
    assert "paid_by_other_intent" not in shop.open_kinds()
    assert {key: row.intent for key, row in shop.rows().items()} == {
        1: "pi_first1",
        2: "pi_first2",
    }


# --- orders that cannot be found ---


@pytest.mark.parametrize("mapped", [{}, ORDERS], ids=["no order", "order without metadata key"])
def test_money_without_a_row_blocks_where_orders_are_blind(
    open_shop: OpenShop, mapped: dict[str, str]
) -> None:
    """A payment of exactly the row's money, which no row holds and which came later, may be the retry."""
    shop = open_shop(**mapped)
    retried(shop, 1, "canceled")
    retried(shop, 2, "declined", "requires_capture")
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.sweep("--kind", "due")
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {
        "1": [("missed_outcome", "maybe_paid")],
        "2": [("missed_outcome", "maybe_paid")],
        "pi_second1": [("missing_locally", None)],
        "pi_second2": [("missing_locally", None)],
    }


@some_quick(
    "second",
    [{"amount": 1300}, {"currency": "usd"}, {"age": 2 * DAY}],
    ids=["another amount", "another currency", "before the row"],
    quick=1,
)
def test_other_money_does_not_block_where_orders_are_blind(
    open_shop: OpenShop, second: dict[str, Any]
) -> None:
    """Another amount or currency, or a payment before the row was there, is not this row's retry."""
    shop = open_shop()
    retried(shop, 1, "canceled", **second)
    shop.sweep("--kind", "window")
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}


def test_the_doctor_says_that_orders_are_blind(open_shop: OpenShop) -> None:
    """The doctor warns if orders cannot be found, and names the metadata key that seems to hold them."""
    shop = open_shop(**ORDERS)
    for key in range(1, 6):
        unpaid(shop, key)
    answer = shop.run("doctor")
    assert "payments.link_metadata is not set" in answer.out
    assert (
        'The metadata key "order_id" of the newest PaymentIntent seems to hold the order'
        in answer.out
    )
    linked = open_shop(**LINKED)
    assert "link_metadata is not set" not in linked.run("doctor").out
