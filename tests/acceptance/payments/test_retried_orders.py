"""A shop makes a new PaymentIntent for the retry of an order, and the row still names the first one.

The customer paid under the second. A correction from the first alone would release a paid order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import SEARCH, ExactStripe
from tests.acceptance.payments.shop import LINKED, ORDERS, PaymentShop, Row
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    MINUTE,
    Json,
    event,
    payment_intent,
)

FIRST_STATES = ["canceled", "declined", "requires_payment_method", "requires_action"]
NEGATIVE = {"canceled": "canceled", "declined": "failed"}
Change = Callable[[Json], object]


def retried(
    stripe: ExactStripe,
    shop: PaymentShop,
    first: str = "canceled",
    paying: str = "succeeded",
    *,
    order: str = "o-1",
    key: int = 1,
    local: str = "pending",
    **second: Any,
) -> None:
    """One order, its row with the first PaymentIntent, and a second that no row holds."""
    second.setdefault("age", DAY - 15 * MINUTE)
    stripe.serve(payment_intent(f"pi_first{key}", first, order=order, age=DAY))
    stripe.serve(payment_intent(f"pi_second{key}", paying, order=order, **second))
    shop.row(key, f"pi_first{key}", local, order=order)


def assert_paid_by_other(
    shop: PaymentShop, *, amount: int = 1250, currency: str = "eur", key: int = 1
) -> dict[str, Any]:
    """The one finding names the row and both intents, and is about the money of the paying one."""
    found = shop.only()
    assert (found["kind"], found["severity"]) == ("paid_by_other_intent", "critical")
    assert (found["payment"], found["payment_intent"]) == (str(key), f"pi_first{key}")
    assert found["evidence"]["paying_intent"] == f"pi_second{key}"
    assert (found["amount"], found["currency"]) == (amount, currency)
    return found


@pytest.mark.parametrize("first", FIRST_STATES)
@pytest.mark.parametrize(
    "kinds", [("all",), ("due", "window"), ("window", "due"), ("window", "all", "due")]
)
def test_an_order_that_its_retry_paid_is_not_released(
    open_shop: OpenShop, stripe: ExactStripe, first: str, kinds: tuple[str, ...]
) -> None:
    """Nothing is written, and one critical finding stands, whether a sweep meets the row or the payment first."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, first)
    before = shop.rows()
    for kind in kinds:
        shop.sweep("--kind", kind)
        shop.assert_untouched(before)
    assert_paid_by_other(shop)
    assert len(shop.discrepancies("open")) == 1


@pytest.mark.parametrize("first", ["canceled", "declined"])
@pytest.mark.parametrize(
    ("paying", "amount", "currency"),
    [
        ("succeeded", 1250, "eur"),
        ("succeeded", 990, "eur"),
        ("succeeded", 2000, "usd"),
        ("requires_capture", 1250, "eur"),
    ],
)
def test_the_money_is_that_of_the_paying_intent(
    open_shop: OpenShop, stripe: ExactStripe, first: str, paying: str, amount: int, currency: str
) -> None:
    """Paid or held, for another amount or in another currency: the order has money."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, first, paying, amount=amount, currency=currency)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert_paid_by_other(shop, amount=amount, currency=currency)


def test_the_event_of_the_retry_is_met_first(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A tail sweep that knows only the event of the second PaymentIntent says the same."""
    shop = open_shop(**LINKED)
    retried(stripe, shop)
    second = payment_intent("pi_second1", order="o-1", age=DAY - 15 * MINUTE)
    stripe.serve(event("payment_intent.succeeded", second, age=DAY - 16 * MINUTE, pending=1))
    before = shop.rows()
    shop.sweep("--kind", "tail")
    shop.sweep()
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


def test_a_dry_run_proposes_no_release(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A dry run counts the finding, proposes no correction of that row, and writes nothing."""
    shop = open_shop(**LINKED)
    retried(stripe, shop)
    report = shop.report()
    assert report["would_correct"] == 0
    assert report["discrepancies"] == {"paid_by_other_intent": 1}
    assert shop.discrepancies() == []


def test_single_intents_are_judged_the_same(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A sweep of only the first PaymentIntent, or of only the second, does not release the order either."""
    for number in ("first", "second"):
        shop = open_shop(**LINKED)
        retried(stripe, shop)
        before = shop.rows()
        shop.sweep("--payment-intent", f"pi_{number}1")
        shop.assert_untouched(before)
        assert_paid_by_other(shop)


@pytest.mark.parametrize("local", ["canceled", "failed", "processing"])
def test_rows_in_other_states_are_flagged(
    open_shop: OpenShop, stripe: ExactStripe, local: str
) -> None:
    """A row that was released already, or is not open any more, is flagged and stays as it is."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, "canceled", local=local)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


@pytest.mark.parametrize(
    ("paying", "status"), [("succeeded", "paid"), ("requires_capture", "authorized")]
)
@pytest.mark.parametrize("first", ["canceled", "declined", "requires_action"])
def test_a_person_points_the_row_at_the_payment(
    open_shop: OpenShop, stripe: ExactStripe, first: str, paying: str, status: str
) -> None:
    """Accepting writes the paying PaymentIntent and its outcome, with an outbox row; then all is quiet."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, first, paying)
    shop.sweep()
    answer = shop.accept(shop.only()["id"])
    assert answer.code == 0, answer.err
    assert shop.rows() == {1: Row("pi_second1", status, 1250, "eur")}
    assert shop.outbox() == [("1", "pi_second1", "pending", status)]
    for _ in range(2):
        shop.sweep()
        assert shop.open() == []
    assert len(shop.outbox()) == 1
    shop.assert_sound()


def test_accepting_is_refused_if_another_row_took_the_payment(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A row that holds the paying PaymentIntent by now keeps it: the late webhook wins, whatever the table calls it."""  # banned-words: allowed, plain English
    shop = open_shop(**LINKED)
    retried(stripe, shop)
    shop.sweep()
    found = shop.only()
    shop.row(2, "pi_second1", "paid", order="o-2", account="elsewhere")
    before = shop.rows()
    assert shop.accept(found["id"]).code != 0
    shop.assert_untouched(before)


# --- relink: a sweep may point the row at the payment, if the configuration says so ---


@pytest.mark.parametrize("first", ["canceled", "declined"])
@pytest.mark.parametrize("kind", ["due", "window", "all"])
def test_relink_points_the_row_at_the_payment(
    open_shop: OpenShop, stripe: ExactStripe, first: str, kind: str
) -> None:
    """With relink, a sweep that may write does what a person would accept, in the plainest case."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop, first)
    shop.sweep("--kind", kind)
    assert shop.rows() == {1: Row("pi_second1", "paid", 1250, "eur")}
    assert shop.outbox() == [("1", "pi_second1", "pending", "paid")]
    shop.sweep()
    assert shop.open() == []
    shop.assert_sound()


def test_relink_writes_nothing_in_a_dry_run_or_when_only_recording(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Only a sweep that may write points a row elsewhere."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop)
    before = shop.rows()
    shop.report()
    shop.report("--record")
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


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


@pytest.mark.parametrize("case", UNCLEAR)
def test_relink_leaves_the_unclear_to_a_person(
    open_shop: OpenShop, stripe: ExactStripe, case: str
) -> None:
    """Anything but one plain payment of exactly this row's money is only flagged."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop, **UNCLEAR[case])
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)
    assert "paid_by_other_intent" in shop.open_kinds()


@pytest.mark.parametrize(
    ("first", "second", "written"),
    [
        ("cus_1", "cus_2", False),
        ("cus_1", "cus_1", True),
        ("cus_1", None, True),
        (None, None, True),
    ],
)
def test_relink_needs_one_customer(
    open_shop: OpenShop,
    stripe: ExactStripe,
    first: str | None,
    second: str | None,
    *,
    written: bool,
) -> None:
    """Two PaymentIntents that name different customers are not one order's; one that names none does not object."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop, customer=second)
    stripe.change("pi_first1", customer=first)
    shop.sweep()
    assert (shop.statuses() == {1: "paid"}) is written
    assert shop.rows()[1].intent == ("pi_second1" if written else "pi_first1")


def test_relink_needs_one_row_and_one_payment(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Two rows of the order, or two payments for it, are a person's to sort out."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop, order="two rows", key=1)
    stripe.serve(payment_intent("pi_third", "canceled", order="two rows"))
    shop.row(2, "pi_third", order="two rows")
    retried(stripe, shop, order="two payments", key=3)
    stripe.serve(payment_intent("pi_fourth", order="two payments", age=DAY - 20 * MINUTE))
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)


def test_relink_loses_against_the_webhook(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that comes to hold the payment while the sweep decides keeps it, and the first row waits."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop)
    stripe.before("/v1/events", lambda: shop.row(2, "pi_second1", "paid", order="o-1"))
    shop.sweep("--kind", "due")
    assert shop.rows()[1] == Row("pi_first1", "pending", 1250, "eur")
    assert shop.rows()[2] == Row("pi_second1", "paid", 1250, "eur")
    assert shop.outbox() == []
    shop.sweep()
    assert shop.statuses() == {1: "pending", 2: "paid"}


def test_relink_obeys_a_unique_index(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A holder that the mapping leaves out still holds the PaymentIntent: the row is not pointed at it."""
    shop = open_shop(columns="UNIQUE (intent)", account="account", **LINKED)
    shop.configure(corrections={"relink": True}, accounts=[{"name": "shop"}, {"name": "other"}])
    retried(stripe, shop)
    shop.execute("UPDATE payments SET account = 'shop'")
    shop.row(2, "pi_second1", "paid", order="o-1", account="unknown")
    before = shop.rows()
    shop.sweep("--account", "shop")
    shop.assert_untouched(before)
    assert "paid_by_other_intent" not in shop.open_kinds()


# --- an intent that another row holds is that row's money ---


@pytest.mark.parametrize("first", ["canceled", "declined"])
@pytest.mark.parametrize("other", ["paid", "authorized", "processing", "odd"])
@pytest.mark.parametrize("holds", [True, False], ids=["with intent", "without intent"])
def test_another_row_of_the_order_that_may_be_paid_blocks(
    open_shop: OpenShop, stripe: ExactStripe, first: str, other: str, *, holds: bool
) -> None:
    """Deposit and rest, another gateway, an order number used again: nothing negative is written."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_first1", first, order="o-1"))
    status = {"authorized": "requires_capture", "processing": "processing"}.get(other, "succeeded")
    if holds:
        stripe.serve(payment_intent("pi_rest", status, order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    shop.row(2, "pi_rest" if holds else None, other, order="o-1")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    about = [one for one in shop.open() if one["payment"] == "1"]
    assert [(one["kind"], one["reason"]) for one in about] == [("missed_outcome", "order_paid")]
    assert "paid_by_other_intent" not in shop.open_kinds()


@pytest.mark.parametrize("other", ["failed", "canceled", "pending"])
def test_another_row_that_is_not_paid_does_not_block(
    open_shop: OpenShop, stripe: ExactStripe, other: str
) -> None:
    """Where the whole order is known and none of it is paid, the row is corrected."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    stripe.serve(payment_intent("pi_rest", "canceled", order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    shop.row(2, "pi_rest", other, order="o-1")
    shop.sweep()
    assert shop.statuses()[1] == "canceled"
    shop.assert_sound()


def test_a_pending_row_with_a_paid_intent_blocks_its_sibling(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The rest was paid and its webhook is lost too: the rest is corrected, and the deposit is not released."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_deposit", "canceled", order="o-1", amount=300))
    stripe.serve(payment_intent("pi_rest", order="o-1", amount=950, age=DAY - HOUR))
    shop.row(1, "pi_deposit", amount=300, order="o-1")
    shop.row(2, "pi_rest", amount=950, order="o-1", age=DAY - HOUR)
    for _ in range(2):
        shop.sweep()
        assert shop.statuses() == {1: "pending", 2: "paid"}
    assert [(one["kind"], one["reason"]) for one in shop.open()] == [
        ("missed_outcome", "order_paid")
    ]


def test_a_row_outside_where_blocks_too(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Rows that are no payments with Stripe, or deleted ones, still say that the order has money."""
    shop = open_shop(
        columns="provider text DEFAULT 'stripe'", where="provider = 'stripe'", **LINKED
    )
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    shop.row(2, "PAYID-1", "paid", order="o-1", provider="paypal")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert [(one["kind"], one["reason"]) for one in shop.open()] == [
        ("missed_outcome", "order_paid")
    ]


def test_a_payment_held_outside_where_is_not_free(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An intent that any row of the table holds, inside the mapping or not, pays no other row."""
    shop = open_shop(columns="hidden boolean DEFAULT false", where="NOT hidden", **LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop)
    shop.row(2, "pi_second1", "paid", order="o-1", hidden=True)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.open_kinds() == ["missed_outcome"]


# --- an open intent, and an order that is not known ---


@pytest.mark.parametrize("first", ["canceled", "declined"])
@pytest.mark.parametrize("other", ["requires_action", "requires_payment_method", "declined"])
def test_an_open_intent_of_the_order_is_waited_for(
    open_shop: OpenShop, stripe: ExactStripe, first: str, other: str
) -> None:
    """The customer may be in 3-D Secure this minute: the row waits for a day, and then a person is asked."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, first, other, age=2 * HOUR)
    before = shop.rows()
    report = shop.sweep()
    assert report["waiting"] == 1
    assert shop.open() == []
    stripe.offset = 23 * HOUR
    shop.sweep()
    shop.assert_untouched(before)
    assert [(one["kind"], one["reason"]) for one in shop.open()] == [
        ("missed_outcome", "other_intent_open")
    ]


@pytest.mark.parametrize(
    ("other", "age"),
    [
        ("canceled", HOUR),
        ("requires_action", DAY + HOUR),
        ("requires_payment_method", DAY + 2 * HOUR),
    ],
)
def test_an_intent_that_is_over_or_older_is_not_waited_for(
    open_shop: OpenShop, stripe: ExactStripe, other: str, age: Any
) -> None:
    """A canceled intent, and one that was left before the row's own began, do not keep the row open."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, "canceled", other, age=age)
    shop.sweep()
    assert shop.statuses() == {1: "canceled"}


def test_an_intent_in_processing_keeps_the_order(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A bank debit that is under way may pay the order for many days: nothing negative is written."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, "canceled", "processing", method="sepa_debit", age=3 * HOUR)
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        shop.assert_untouched(before)
        stripe.offset += 3 * DAY


@pytest.mark.parametrize(("first", "written"), NEGATIVE.items())
def test_a_known_order_without_money_is_released(
    open_shop: OpenShop, stripe: ExactStripe, first: str, written: str
) -> None:
    """The ordinary missed failure or cancellation is still corrected, by the search as by the list."""
    for kind in ("due", "window", "all"):
        shop = open_shop(**LINKED)
        stripe.serve(payment_intent("pi_first1", first, order="o-1"))
        shop.row(1, "pi_first1", order="o-1")
        shop.sweep("--kind", kind)
        assert shop.statuses() == {1: written}
        assert shop.open() == []


def test_a_refused_search_writes_nothing(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An account that may not search does not know its orders: a person is asked, and the refusal is remembered."""
    shop = open_shop(**LINKED)
    stripe.refuse(SEARCH, 403, "Search is not available in your country.")
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1", age=20 * DAY))
    shop.row(1, "pi_first1", order="o-1", age=20 * DAY)
    before = shop.rows()
    for _ in range(3):
        shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert [(one["kind"], one["reason"]) for one in shop.open()] == [
        ("missed_outcome", "order_not_known")
    ]
    assert len(stripe.asked(SEARCH)) == 1
    stripe.offset = DAY + HOUR
    shop.sweep("--kind", "due")
    assert len(stripe.asked(SEARCH)) == 2


def test_a_complete_list_needs_no_search(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A window that was read whole knows the orders in it: no search is sent, and the row is corrected."""
    shop = open_shop(**LINKED)
    stripe.refuse(SEARCH, 403, "Search is not available in your country.")
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1", age=5 * DAY))
    shop.row(1, "pi_first1", order="o-1", age=5 * DAY)
    shop.sweep("--kind", "window", "--since", "20d")
    assert shop.statuses() == {1: "canceled"}
    assert stripe.asked(SEARCH) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failing_search_waits(open_shop: OpenShop, stripe: ExactStripe, status: int) -> None:
    """A search that fails for now is tried again at the next sweep; until then nothing is written or said."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    before = shop.rows()
    stripe.refuse(SEARCH, status)
    shop.run("sweep", "--apply", "--kind", "due")
    shop.assert_untouched(before)
    assert shop.open() == []
    stripe.relent()
    stripe.offset = HOUR
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}


def test_a_search_without_end_waits(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """More pages than the bound are not read, and what was not read is not known."""
    shop = open_shop(**LINKED)
    stripe.search.endless = True
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    before = shop.rows()
    shop.run("sweep", "--apply", "--kind", "due")
    shop.assert_untouched(before)
    assert len(stripe.asked(SEARCH)) < 100


@pytest.mark.parametrize("age", [2 * MINUTE + 10 * MINUTE, 50 * MINUTE])
def test_what_the_search_has_not_indexed_is_in_the_list(
    open_shop: OpenShop, stripe: ExactStripe, age: Any
) -> None:
    """The search lags by up to an hour: the payment of some minutes ago is found by the list of the last hour."""
    shop = open_shop(**LINKED)
    stripe.search.lag = HOUR
    retried(stripe, shop, age=age)
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


def test_the_search_is_no_witness_of_a_status(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The index may still have the intent as it was: each one found is retrieved."""
    shop = open_shop(**LINKED)
    retried(stripe, shop)
    stale = payment_intent("pi_second1", "canceled", order="o-1", age=DAY - 15 * MINUTE)
    stripe.search.stale["pi_second1"] = {**stale, "latest_charge": None}
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


def test_an_order_is_compared_letter_by_letter(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What the search finds besides does not name this order: another case, a longer number."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    stripe.serve(
        payment_intent("pi_other1", order="O-1"), payment_intent("pi_other2", order="o-1 ")
    )
    stripe.search.inexact = ["pi_other1", "pi_other2"]
    shop.row(1, "pi_first1", order="o-1")
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}


@pytest.mark.parametrize(
    "order", ['a "quoted" one', "back\\slash", "O'Neill", "o-1 OR status:x", '"', "ünïcode — №1"]
)
def test_any_order_can_be_searched(open_shop: OpenShop, stripe: ExactStripe, order: str) -> None:
    """Quotes and backslashes in an order's text are escaped: the retry is found, and the order is not released."""
    shop = open_shop(**LINKED)
    retried(stripe, shop, order=order)
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert_paid_by_other(shop)


def test_many_orders_share_a_search(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """One search names as many orders as the query takes, and the list of the last hour is read once."""
    shop = open_shop(**LINKED)
    for key in range(1, 24):
        stripe.serve(payment_intent(f"pi_{key}", "canceled", order=f"o-{key}", age=20 * DAY))
        shop.row(key, f"pi_{key}", order=f"o-{key}", age=20 * DAY)
    shop.sweep("--kind", "due")
    assert set(shop.statuses().values()) == {"canceled"}
    assert 0 < len(stripe.asked(SEARCH)) <= 4


def test_an_old_payment_under_the_same_number_is_not_this_order(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """An order number that was used last month does not pay this month's row."""
    shop = open_shop(**LINKED)
    shop.configure(corrections={"relink": True})
    retried(stripe, shop, age=25 * DAY)
    shop.sweep()
    assert "paid_by_other_intent" not in shop.open_kinds()
    assert shop.rows()[1].intent == "pi_first1"


def test_the_finding_ends_when_the_row_holds_the_payment(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The merchant's own code stores the paying intent after all: the finding is closed."""
    shop = open_shop(**LINKED)
    retried(stripe, shop)
    shop.sweep()
    found = assert_paid_by_other(shop)
    shop.execute("UPDATE payments SET intent = 'pi_second1', status = 'paid'")
    shop.sweep()
    shop.sweep("--kind", "window")
    assert shop.open() == []
    (closed,) = [one for one in shop.discrepancies() if one["id"] == found["id"]]
    assert closed["state"] == "closed"


# --- orders that cannot be found ---


@pytest.mark.parametrize("first", ["canceled", "declined"])
@pytest.mark.parametrize("paying", ["succeeded", "requires_capture"])
@pytest.mark.parametrize("mapped", [{}, ORDERS], ids=["no order", "order without metadata key"])
def test_money_without_a_row_blocks_where_orders_are_blind(
    open_shop: OpenShop, stripe: ExactStripe, first: str, paying: str, mapped: dict[str, str]
) -> None:
    """A payment of exactly the row's money, which no row holds and which came later, may be the retry."""
    shop = open_shop(**mapped)
    retried(stripe, shop, first, paying)
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.sweep("--kind", "due")
    shop.sweep()
    shop.assert_untouched(before)
    about = [one for one in shop.open() if one["payment"] == "1"]
    assert [(one["kind"], one["reason"]) for one in about] == [("missed_outcome", "maybe_paid")]
    assert shop.open_kinds() == ["missed_outcome", "missing_locally"]


@pytest.mark.parametrize(
    "second",
    [{"amount": 1300}, {"currency": "usd"}, {"age": 2 * DAY}],
    ids=["another amount", "another currency", "before the row"],
)
def test_other_money_does_not_block_where_orders_are_blind(
    open_shop: OpenShop, stripe: ExactStripe, second: dict[str, Any]
) -> None:
    """Another amount or currency, or a payment before the row was there, is not this row's retry."""
    shop = open_shop()
    retried(stripe, shop, "canceled", **second)
    shop.sweep("--kind", "window")
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "canceled"}
