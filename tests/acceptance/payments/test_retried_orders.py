"""A shop makes a new PaymentIntent for the retry of an order, and the row still names the first one.

The customer paid under the second. A correction from the first alone would release a paid order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, PaymentShop, Row
from tests.acceptance.payments.stripe_objects import DAY, HOUR, MINUTE, event, payment_intent
from tests.some_quick import some_quick

FIRST_STATES = ["canceled", "declined", "requires_payment_method", "requires_action"]
RETRIED_AFTER = 15 * MINUTE


def retried(
    shop: PaymentShop,
    key: int,
    first: str = "canceled",
    paying: str = "succeeded",
    *,
    order: str | None = None,
    local: str = "pending",
    age: timedelta = DAY - RETRIED_AFTER,
    **second: Any,
) -> None:
    """One order: its row with a first PaymentIntent, and a second that no row holds."""
    order = order or f"o-{key}"
    shop.stripe.serve(payment_intent(f"pi_first{key}", first, order=order))
    shop.stripe.serve(payment_intent(f"pi_second{key}", paying, order=order, age=age, **second))
    shop.row(key, f"pi_first{key}", local, order=order)


def assert_paid_by_other(
    shop: PaymentShop, key: int, amount: int = 1250, currency: str = "eur"
) -> dict[str, Any]:
    """The row's one finding names it and both intents, and is about the money of the paying one."""
    (found,) = shop.by_row()[str(key)]
    assert (found["kind"], found["severity"]) == ("paid_by_other_intent", "critical")
    assert found["payment_intent"] == f"pi_first{key}"
    assert found["evidence"]["paying_intent"] == f"pi_second{key}"
    assert (found["amount"], found["currency"]) == (amount, currency)
    return found


@some_quick(
    "kinds", [("all",), ("due", "window"), ("window", "due"), ("tail", "all", "due")], quick=(0, 3)
)
def test_an_order_that_its_retry_paid_is_not_released(
    open_shop: OpenShop, stripe: ExactStripe, kinds: tuple[str, ...]
) -> None:
    """Nothing is written, and one critical finding stands, if a sweep meets the row or the payment or its event first."""
    shop = open_shop(**LINKED)
    for key, first in enumerate(FIRST_STATES, 1):
        retried(shop, key, first)
        second = payment_intent(f"pi_second{key}", order=f"o-{key}", age=DAY - RETRIED_AFTER)
        stripe.serve(event("payment_intent.succeeded", second, age=DAY - 16 * MINUTE, pending=1))
    before = shop.rows()
    for kind in kinds:
        shop.sweep("--kind", kind)
        shop.assert_untouched(before)
    for key in before:
        assert_paid_by_other(shop, key)
    assert len(shop.open()) == len(before)


def test_the_money_is_that_of_the_paying_intent(open_shop: OpenShop) -> None:
    """Paid or held, for another amount or in another currency: the order has money, and nothing is written."""
    shop = open_shop(**LINKED)
    money = [(1250, "eur"), (990, "eur"), (2000, "usd"), (1, "jpy")]
    for key, (amount, currency) in enumerate(money, 1):
        retried(shop, key, "canceled", amount=amount, currency=currency)
        retried(shop, 10 + key, "declined", "requires_capture", amount=amount, currency=currency)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    for key, (amount, currency) in enumerate(money, 1):
        assert_paid_by_other(shop, key, amount, currency)
        assert_paid_by_other(shop, 10 + key, amount, currency)


def test_a_dry_run_proposes_no_release(open_shop: OpenShop) -> None:
    """A dry run counts the finding, proposes no correction of that row, and stores nothing."""
    shop = open_shop(**LINKED)
    retried(shop, 1)
    retried(shop, 2, "declined")
    report = shop.report()
    assert report["would_correct"] == 0
    assert report["discrepancies"] == {"paid_by_other_intent": 2}
    assert shop.discrepancies() == []


def test_a_sweep_of_single_intents_says_the_same(open_shop: OpenShop) -> None:
    """A sweep of only the first PaymentIntent, or of only the second, does not release the order either."""
    shop = open_shop(**LINKED)
    retried(shop, 1)
    retried(shop, 2)
    before = shop.rows()
    shop.sweep("--payment-intent", "pi_first1")
    shop.sweep("--payment-intent", "pi_second2")
    shop.assert_untouched(before)
    assert_paid_by_other(shop, 1)
    assert_paid_by_other(shop, 2)


def test_rows_in_other_states_are_flagged(open_shop: OpenShop) -> None:
    """A row that was released already, or is not open any more, is flagged and stays as it is."""
    shop = open_shop(**LINKED)
    for key, local in enumerate(["canceled", "failed", "processing"], 1):
        retried(shop, key, local=local)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    for key in before:
        assert_paid_by_other(shop, key)


def test_a_person_points_the_row_at_the_payment(open_shop: OpenShop) -> None:
    """Accepting writes the paying PaymentIntent and its outcome, with an outbox row; then all is quiet."""
    shop = open_shop(**LINKED)
    retried(shop, 1, "canceled")
    retried(shop, 2, "declined", "requires_capture")
    retried(shop, 3, "requires_action", amount=1250)
    shop.sweep()
    for key in (1, 2, 3):
        answer = shop.accept(assert_paid_by_other(shop, key)["id"])
        assert answer.code == 0, answer.err
    assert shop.rows() == {
        1: Row("pi_second1", "paid", 1250, "eur"),
        2: Row("pi_second2", "authorized", 1250, "eur"),
        3: Row("pi_second3", "paid", 1250, "eur"),
    }
    written = shop.outbox()
    assert written == [
        ("1", "pi_second1", "pending", "paid"),
        ("2", "pi_second2", "pending", "authorized"),
        ("3", "pi_second3", "pending", "paid"),
    ]
    for _ in range(2):
        shop.sweep()
        assert shop.open() == []
    assert shop.outbox() == written
    shop.assert_sound()


def test_accepting_is_refused_if_another_row_took_the_payment(open_shop: OpenShop) -> None:
    """A row that holds the paying PaymentIntent by now keeps it, even one of another account."""
    shop = open_shop(**LINKED)
    retried(shop, 1)
    shop.sweep()
    found = shop.only()
    shop.row(2, "pi_second1", "paid", order="o-2", account="elsewhere")
    before = shop.rows()
    assert shop.accept(found["id"]).code != 0
    shop.assert_untouched(before)


def test_the_finding_ends_when_the_row_holds_the_payment(open_shop: OpenShop) -> None:
    """The merchant's own code stores the paying intent after all: the finding is closed."""
    shop = open_shop(**LINKED)
    retried(shop, 1)
    shop.sweep()
    found = assert_paid_by_other(shop, 1)
    shop.execute("UPDATE payments SET intent = 'pi_second1', status = 'paid'")
    shop.sweep("--kind", "window")
    assert shop.open() == []
    (closed,) = [one for one in shop.discrepancies() if one["id"] == found["id"]]
    assert closed["state"] == "closed"


# --- an intent that another row holds is that row's money ---


def test_another_row_of_the_order_that_may_be_paid_blocks(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Deposit and rest, another gateway, an order number used again: nothing negative is written."""
    shop = open_shop(**LINKED)
    held = {"paid": "succeeded", "authorized": "requires_capture", "processing": "processing"}
    key = 0
    for local in [*held, "odd"]:
        for first in ("canceled", "declined"):
            for holds in (True, False):
                key += 2
                order = f"o-{key}"
                stripe.serve(payment_intent(f"pi_{key}", first, order=order))
                shop.row(key, f"pi_{key}", order=order)
                if holds:
                    status = held.get(local, "succeeded")
                    stripe.serve(payment_intent(f"pi_{key + 1}", status, order=order))
                shop.row(key + 1, f"pi_{key + 1}" if holds else None, local, order=order)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    found = shop.reasons()
    pending = [str(key) for key, row in before.items() if row.status == "pending"]
    for key in pending:
        assert (key, found.get(key)) == (key, [("missed_outcome", "order_paid")])
    assert "paid_by_other_intent" not in shop.open_kinds()


def test_another_row_that_is_not_paid_does_not_block(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """If the whole order is known and none of it is paid, the row is corrected."""
    shop = open_shop(**LINKED)
    for key, local in ((1, "failed"), (3, "canceled"), (5, "pending")):
        for each, status in ((key, "pending"), (key + 1, local)):
            stripe.serve(payment_intent(f"pi_{each}", "canceled", order=f"o-{key}"))
            shop.row(each, f"pi_{each}", status, order=f"o-{key}")
    shop.sweep()
    statuses = shop.statuses()
    assert [statuses[key] for key in (1, 3, 5)] == ["canceled"] * 3
    shop.assert_sound()


def test_a_sibling_that_was_paid_in_silence_blocks(
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
    assert shop.reasons() == {"1": [("missed_outcome", "order_paid")]}


def test_a_row_of_another_account_blocks_and_holds(open_shop: OpenShop) -> None:
    """Rows of other accounts, of no account too, say that an order has money, and keep the intents that they hold."""
    shop = open_shop(account="account", **LINKED)
    shop.configure(corrections={"relink": True})
    shop.configure_accounts({"name": "shop"}, {"name": "other"})
    retried(shop, 1)
    retried(shop, 2)
    shop.execute("UPDATE payments SET account = 'shop'")
    shop.row(3, "pi_second1", "paid", order="o-1", account="unknown")
    shop.row(4, "pi_second2", "paid", order="elsewhere", account="other")
    before = shop.rows()
    shop.sweep("--account", "shop")
    shop.assert_untouched(before)
    assert "paid_by_other_intent" not in shop.open_kinds()


def test_a_row_outside_where_blocks_and_holds(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A deleted row, or one of another gateway, says that its order has money, and keeps the intent that it holds."""
    shop = open_shop(
        columns="provider text DEFAULT 'stripe'", where="provider = 'stripe'", **LINKED
    )
    shop.configure(corrections={"relink": True})
    stripe.serve(payment_intent("pi_first1", "canceled", order="o-1"))
    shop.row(1, "pi_first1", order="o-1")
    shop.row(2, "PAYID-1", "paid", order="o-1", provider="paypal")
    retried(shop, 3)
    shop.row(4, "pi_second3", "paid", order="o-3", provider="deleted")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {
        "1": [("missed_outcome", "order_paid")],
        "3": [("missed_outcome", "order_paid")],
    }


def explained(shop: PaymentShop, *arguments: str) -> dict[str, Any]:
    """What ``explain --json`` says of one payment."""
    answer = shop.run("explain", *arguments, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert isinstance(found, dict)
    return found


@some_quick("first", ["requires_payment_method", "canceled"], quick=1)
def test_explain_names_the_open_discrepancy_of_an_order_that_another_intent_paid(
    open_shop: OpenShop, first: str
) -> None:
    """By order, row, intent and number: no customer is told to pay again, and the command is that of the list."""
    shop = open_shop(**LINKED)
    retried(shop, 1, first)
    shop.sweep()
    number = str(assert_paid_by_other(shop, 1)["id"])
    (listed,) = shop.run("discrepancies", "--state", "open", "--json").json
    step = listed["next_step"]
    assert step["command"] == f"reconciler resolve {number} --accept stripe --note TEXT"
    for name in (["o-1"], ["1"], ["pi_first1"], ["--discrepancy", number]):
        found = explained(shop, *name)
        assert found["next_step"] == step, name
        decision = found["decision"]
        assert (decision["act"], decision["discrepancy"]) == ("flag", int(number))
        (standing,) = decision["findings"]
        assert (standing["kind"], standing["amount"]) == ("paid_by_other_intent", 1250)
        assert "pi_second1 has paid the order, 12.50 EUR" in found["rule"]
        assert f"Discrepancy {number} (paid_by_other_intent, critical)" in found["rule"]
        text = shop.run("explain", *name).out
        assert text.rstrip().split("In Stripe's dashboard")[0].rstrip().endswith(step["command"])
        assert "Nothing" not in text
        assert "both sides agree." not in text.lower()


def test_explain_of_the_intent_that_paid_names_the_discrepancy(open_shop: OpenShop) -> None:
    """No row holds it, and it needs neither a new row nor a refund: the discrepancy of the order is accepted."""
    shop = open_shop(**LINKED)
    retried(shop, 1, "requires_payment_method")
    retried(shop, 2)
    shop.sweep()
    for key in (1, 2):
        listed = assert_paid_by_other(shop, key)
        found = explained(shop, f"pi_second{key}")
        command = f"reconciler resolve {listed['id']} --accept stripe --note TEXT"
        assert found["next_step"]["command"] == command
        assert f"pi_second{key} paid for the order of an open discrepancy" in found["rule"]
        assert f"row {key}, order o-{key}" in found["rule"]
        assert [one["id"] for one in found["discrepancies"]] == [listed["id"]]
        kinds = [one["kind"] for one in found["decision"]["findings"]]
        assert (found["decision"]["act"], kinds) == ("flag", ["paid_by_other_intent"])
        text = shop.run("explain", f"pi_second{key}").out
        assert command in text
        assert "create its row" not in text
        assert "missing_locally" not in text


def test_explain_says_that_the_application_has_not_received_a_correction(
    open_shop: OpenShop,
) -> None:
    """Both sides agree, and the customer still waits: the outbox row and its last error are named."""
    shop = open_shop()
    shop.stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "pending")
    shop.sweep("--apply")
    shop.execute("UPDATE reconciler.outbox SET last_error = 'answered 503', attempts = 2")
    ((outbox,),) = shop.ask("SELECT id FROM reconciler.outbox")
    step = explained(shop, "pi_1")["next_step"]
    assert f"outbox row {outbox} waits since" in step["text"]
    assert "last error: answered 503" in step["text"]
    assert step["command"] == "reconciler status"
    shop.execute("UPDATE reconciler.outbox SET given_up_at = now()")
    assert "was given up" in explained(shop, "pi_1")["next_step"]["text"]
    shop.execute(
        "UPDATE reconciler.outbox SET delivered_at = greatest(now(), created_at), given_up_at = NULL"
    )
    assert explained(shop, "pi_1")["next_step"] == {
        "text": "Nothing: both sides agree.",
        "command": None,
    }


@pytest.mark.parametrize(
    ("first", "can_be_paid"), [("requires_payment_method", True), ("canceled", False)]
)
def test_an_acceptance_says_what_becomes_of_the_old_intent(
    open_shop: OpenShop, first: str, *, can_be_paid: bool
) -> None:
    """Which PaymentIntent the row holds now, what tells the application, and whether the old one is to be canceled."""
    shop = open_shop(**LINKED)
    retried(shop, 1, first)
    retried(shop, 2, first)
    shop.sweep()
    second = assert_paid_by_other(shop, 2)["id"]
    said = [shop.accept(assert_paid_by_other(shop, 1)["id"]).out.replace("\n", " ")]
    # what a reviewer accepts on a page says the same, in the command's answer and on the page
    shop.execute(
        "INSERT INTO reconciler.acceptance_requests (account, discrepancy, fingerprint, amount_differs, note, asked_by)"
        f" SELECT account, id, fingerprint, false, 'x', 'web:ana' FROM reconciler.discrepancies WHERE id = {second}"
    )
    (requested,) = shop.run("resolve", "--requested", "--json").json
    ((answer,),) = shop.ask("SELECT answer FROM reconciler.acceptance_requests")
    assert requested["answer"] == answer
    assert requested["from_payment_intent"] == "pi_first2"
    assert requested["to_payment_intent"] == "pi_second2"
    for key, text in enumerate((*said, answer), 1):
        assert f"Row {key} was changed from 'pending' to " in text
        assert f"Row {key} now holds PaymentIntent pi_second{key} instead of pi_first{key}." in text
        can_still = f"can still pay pi_first{key}: cancel it in Stripe's dashboard."
        assert (can_still in text) == can_be_paid
        ((outbox,),) = shop.ask(f"SELECT id FROM reconciler.outbox WHERE payment_key = '{key}'")
        assert f"Outbox row {outbox} tells your application of the change." in text
    assert requested["outbox"] == outbox
