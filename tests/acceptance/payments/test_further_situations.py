"""Situations of the kinds that merchants met, each with what a payments engineer expects of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED
from tests.acceptance.payments.stripe_objects import (
    DAY,
    HOUR,
    balance_transaction,
    charge_of,
    checkout_session,
    dispute,
    payment_intent,
    refund,
)

pytestmark = pytest.mark.long

# --- money ---


@pytest.mark.parametrize(
    ("currency", "row", "stripe_amount"),
    [
        ("jpy", "1250", 1250),
        ("kwd", "12.345", 12345),
        ("isk", "1250", 125000),
        ("eur", "12.5", 1250),
    ],
)
def test_major_amounts_of_every_number_of_decimals(
    open_shop: OpenShop, stripe: ExactStripe, currency: str, row: str, stripe_amount: int
) -> None:
    """A table in major units agrees with Stripe in currencies with no, two and three decimals, and where Stripe keeps two."""
    shop = open_shop(amount="major_amount", amount_unit="major", columns="major_amount numeric")
    stripe.serve(payment_intent("pi_1", amount=stripe_amount, currency=currency))
    shop.row(1, "pi_1", currency=currency.upper(), major_amount=row)
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid"}
    shop.assert_sound()


def test_amounts_that_are_no_money(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """NULL, NaN, Infinity, parts of a cent, negative and huge amounts are never written as paid; other rows go on."""
    shop = open_shop(amount="major_amount", amount_unit="major", columns="major_amount numeric")
    amounts = [None, "NaN", "Infinity", "-Infinity", "12.505", "-12.50", "0", "1e40", "12.50"]
    for key, amount in enumerate(amounts, 1):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", major_amount=amount)
    shop.sweep()
    paid = {key for key, status in shop.statuses().items() if status == "paid"}
    assert paid == {9}
    assert {one["payment"] for one in shop.open()} == {str(key) for key in range(1, 9)}
    shop.assert_sound()


def test_times_at_the_ends(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Rows created at the end of time, or before any calendar, are examined like others, and end no sweep."""
    shop = open_shop(columns="odd timestamptz", created="odd")
    for key, time in enumerate(
        ["infinity", "-infinity", "4713-01-01 BC", "294276-01-01", "now"], 1
    ):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", odd=time)
    shop.sweep("--kind", "due")
    assert set(shop.statuses().values()) == {"paid"}
    shop.sweep()


def test_parts_and_an_attempt_mixed(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An attempt of the whole amount that failed, then two parts: no rule explains it, so a person is asked."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "failed", 1250)
    shop.row(2, "pi_1", "pending", 1000)
    shop.row(3, "pi_1", "pending", 250)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.only()["kind"] == "ambiguous_row"
    assert shop.only()["severity"] == "critical"


def test_a_part_says_more_refunded_than_went_back(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A part of 1000 says refunded, and Stripe gave back 250: it does not add up, and nothing is written."""
    shop = open_shop()
    intent = payment_intent("pi_1", charge={"amount_refunded": 250})
    stripe.serve(intent, refund(intent, 250))
    shop.row(1, "pi_1", "refunded", 1000)
    shop.row(2, "pi_1", "paid", 250)
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert len(shop.open()) == 1


def test_parts_whose_sum_overflows(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Amounts at the end of bigint are no parts, and end no sweep: the other payments are done."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    for key in (1, 2, 3):
        shop.row(key, "pi_1", amount=9223372036854775807)
    shop.row(4, "pi_2")
    shop.sweep()
    assert shop.statuses() == {1: "pending", 2: "pending", 3: "pending", 4: "paid"}
    assert shop.only()["kind"] == "ambiguous_row"
    shop.assert_sound()


@pytest.mark.parametrize(
    ("refunded", "refunds", "expected"),
    [
        (250, [], "paid"),
        (250, [250], None),
        (500, [250], None),
        (0, [], "paid"),
    ],
)
def test_a_release_is_no_refund(
    open_shop: OpenShop,
    stripe: ExactStripe,
    refunded: int,
    refunds: list[int],
    expected: str | None,
) -> None:
    """1000 of 1250 captured; a row of 1000 is paid only if nothing went back to the customer."""
    shop = open_shop()
    intent = payment_intent("pi_1", captured=1000, charge={"amount_refunded": refunded})
    stripe.serve(intent, *(refund(intent, one) for one in refunds))
    shop.row(1, "pi_1", amount=1000)
    shop.sweep()
    assert shop.statuses() == {1: expected or "pending"}
    if expected is None:
        assert shop.only()["kind"] == "refund_drift"


def test_a_balance_transaction_that_may_not_be_read(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """If the key may not read it, release and refund cannot be told apart: nothing is written, the sweep is complete."""
    shop = open_shop()
    intent = payment_intent("pi_1", captured=1000, charge={"amount_refunded": 250})
    stripe.serve(intent, refund(intent, 250), balance_transaction(intent, 1000))
    stripe.refuse("/v1/balance_transactions", 403, "The provided key does not have access.")
    shop.row(1, "pi_1", amount=1000)
    answer = shop.run("sweep", "--apply", "--json")
    assert shop.statuses() == {1: "pending"}
    assert answer.code in (0, 75, 78)
    assert answer.json["corrected"] == 0


def test_disputes_that_cannot_be_read(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A failing list of disputes says nothing about the dispute: no verdict, no write, and the others go on."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", charge={"disputed": True}), payment_intent("pi_2"))
    stripe.refuse("/v1/disputes", 400, "Something is wrong.")
    shop.row(1, "pi_1")
    shop.row(2, "pi_2")
    shop.run("sweep", "--apply", "--json")
    assert shop.statuses() == {1: "pending", 2: "paid"}
    assert "dispute_not_listed" not in [one["reason"] for one in shop.open()]


def test_one_order_that_cannot_be_searched_for(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An order with a thousand payments, and one whose search Stripe refuses, do not keep other orders from being decided."""
    shop = open_shop(**LINKED)
    for key in range(1, 6):
        stripe.serve(payment_intent(f"pi_{key}", "canceled", order=f"o-{key}"))
        shop.row(key, f"pi_{key}", order=f"o-{key}")
    stripe.serve(
        *(payment_intent(f"pi_9_{n}", "canceled", order="o-2", age=2 * DAY) for n in range(600))
    )
    shop.sweep("--kind", "due")
    assert shop.statuses() == {
        1: "canceled",
        2: "pending",
        3: "canceled",
        4: "canceled",
        5: "canceled",
    }


def test_another_row_of_one_order_cannot_be_read(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An intent that Stripe cannot show keeps its own order open, and no other."""
    shop = open_shop(**LINKED)
    for key in range(1, 4):
        stripe.serve(payment_intent(f"pi_{key}", "canceled", order=f"o-{key}"))
        shop.row(key, f"pi_{key}", order=f"o-{key}")
    stripe.serve(payment_intent("pi_7", "canceled", order="o-2"))
    shop.row(7, "pi_7", order="o-2")
    stripe.refuse("/v1/payment_intents/pi_7", 500)
    shop.run("sweep", "--apply", "--kind", "due", "--json")
    assert shop.statuses() == {1: "canceled", 2: "pending", 3: "canceled", 7: "pending"}


def test_a_prevented_dispute_beside_a_lost_one(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Of several disputes the worst counts: one prevented, one lost is lost."""
    shop = open_shop()
    intent = payment_intent("pi_1", charge={"disputed": True})
    stripe.serve(intent, dispute(intent, "prevented"), dispute(intent, "lost"))
    shop.row(1, "pi_1", "paid")
    shop.sweep()
    assert (shop.only()["kind"], shop.only()["severity"]) == ("dispute_drift", "critical")


def test_a_paid_intent_without_a_charge(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Stripe says succeeded and shows no charge: the money that was received decides."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", latest_charge=None))
    stripe.change("pi_1", latest_charge=None)
    shop.row(1, "pi_1")
    shop.run("sweep", "--apply", "--json")
    assert shop.statuses()[1] in ("paid", "pending")
    shop.assert_sound()


# --- orders ---


def test_the_retry_was_paid_and_given_back(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The order's other payment was refunded whole: a person is asked, and accepting says that the money went back."""
    shop = open_shop(**LINKED)
    paid = payment_intent(
        "pi_2", order="o-1", age=DAY - HOUR, charge={"amount_refunded": 1250, "refunded": True}
    )
    stripe.serve(payment_intent("pi_1", "canceled", order="o-1"), paid, refund(paid, 1250))
    shop.row(1, "pi_1", order="o-1")
    shop.sweep()
    assert shop.statuses() == {1: "pending"}
    answer = shop.accept(shop.only()["id"])
    assert answer.code != 0 or "refund" in (answer.out + answer.err).lower()


def test_the_retry_in_another_currency_is_not_accepted_in_silence(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A paying intent of another amount needs --amount-differs: the row's amount stays."""
    shop = open_shop(**LINKED)
    stripe.serve(
        payment_intent("pi_1", "canceled", order="o-1"),
        payment_intent("pi_2", order="o-1", age=DAY - HOUR, amount=1400, currency="usd"),
    )
    shop.row(1, "pi_1", order="o-1")
    shop.sweep()
    found = shop.only()
    assert found["kind"] == "paid_by_other_intent"
    assert shop.accept(found["id"]).code != 0
    assert shop.rows()[1].intent == "pi_1"


def test_the_retry_is_refunded_before_a_person_accepts(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Stripe is read anew at acceptance: what was given back since is not written as paid without a word."""
    shop = open_shop(**LINKED)
    other = payment_intent("pi_2", order="o-1", age=DAY - HOUR)
    stripe.serve(payment_intent("pi_1", "canceled", order="o-1"), other)
    shop.row(1, "pi_1", order="o-1")
    shop.sweep()
    found = shop.only()
    stripe.change(charge_of(other)["id"], amount_refunded=1250, refunded=True)
    stripe.serve(refund(other, 1250))
    answer = shop.accept(found["id"])
    assert answer.code != 0 or "refund" in (answer.out + answer.err).lower()


@pytest.mark.parametrize("order", [""])
def test_an_empty_order_is_no_order(open_shop: OpenShop, stripe: ExactStripe, order: str) -> None:
    """Rows without an order's text share no order: a paid one beside it is not this row's money."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_1", "canceled"), payment_intent("pi_2"))
    shop.row(1, "pi_1", order=order)
    shop.row(2, "pi_2", "paid", order=order)
    shop.sweep()
    assert ("missed_outcome", "order_paid") not in shop.reasons().get("1", [])


def test_odd_orders_release_nothing_that_was_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """With any text of an order: its retry is found or the order is not known, and the row is not released."""
    shop = open_shop(**LINKED)
    odd = ["a\nb\tc", "5%", "🛒 \u202e1", "'", '"', "\\", "\\'\"", "AND", "*", "x" * 600]
    for key, order in enumerate(odd, 1):
        # Stripe keeps 500 characters of a value
        named = order[:500]
        stripe.serve(
            payment_intent(f"pi_{key}", "canceled", order=named),
            payment_intent(f"pi_{key}_retry", order=named, age=DAY - HOUR),
        )
        shop.row(key, f"pi_{key}", order=order)
    before = shop.rows()
    shop.sweep("--kind", "due")
    shop.assert_untouched(before)
    assert shop.reasons()["10"] == [("missed_outcome", "order_not_known")]


def test_an_integer_order_is_compared_as_it_is_printed(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The order 7 is not "007" and not "7.0"."""
    shop = open_shop(columns="number bigint", order="number", link_metadata="order_id")
    stripe.serve(
        payment_intent("pi_1", "canceled", order="7"),
        payment_intent("pi_2", order="007", age=DAY - HOUR),
        payment_intent("pi_3", order="7.0", age=DAY - HOUR),
        payment_intent("pi_4", order="99999999999999999999", age=DAY - HOUR),
    )
    shop.row(1, "pi_1", number=7)
    shop.sweep()
    assert shop.statuses() == {1: "canceled"}


# --- meanwhile ---


def test_the_row_is_pointed_elsewhere_between_our_steps(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The late webhook points the row at its retry after it was loaded: the row is left alone."""
    shop = open_shop(**LINKED)
    stripe.serve(
        payment_intent("pi_1", "canceled", order="o-1"),
        payment_intent("pi_2", order="o-1", age=timedelta(minutes=50)),
    )
    shop.row(1, "pi_1", order="o-1")

    def webhook() -> None:
        shop.execute("UPDATE payments SET intent = 'pi_2', status = 'paid' WHERE id = 1")

    stripe.before("/v1/payment_intents/search", webhook)
    shop.run("sweep", "--apply", "--kind", "due", "--json")
    stripe.forget_actions()
    assert (shop.rows()[1].intent, shop.rows()[1].status) == ("pi_2", "paid")
    shop.run("sweep", "--apply", "--json")
    assert shop.open() == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM payments WHERE id = 1",
        "UPDATE payments SET account = 'gone' WHERE id = 1",
        "UPDATE payments SET amount = 99 WHERE id = 1",
        "UPDATE payments SET id = 5 WHERE id = 1",
        "UPDATE payments SET intent = NULL WHERE id = 1",
    ],
)
def test_the_row_changes_after_it_was_read(
    open_shop: OpenShop, stripe: ExactStripe, change: str
) -> None:
    """If the merchant changes the row meanwhile, only the row that was compared is written."""
    shop = open_shop(where="account IS NULL OR account <> 'gone'")
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.row(1, "pi_1")
    shop.row(2, "pi_2")
    stripe.before("/v1/events", lambda: shop.execute(change))
    shop.run("sweep", "--apply", "--kind", "due", "--json")
    stripe.forget_actions()
    statuses = shop.statuses()
    assert statuses.pop(2) == "paid"
    assert "paid" not in statuses.values()
    shop.assert_sound()
    assert shop.run("sweep", "--apply", "--json").code == 0
    shop.assert_sound()


# --- the table ---


def test_a_table_that_is_partitioned_by_status(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A correction moves the row to another partition: it is written, and it is the same row."""
    shop = open_shop(
        after="CREATE SCHEMA p; CREATE TABLE p.payments (id bigint, intent text, status text NOT NULL, amount bigint,"
        " currency text, created_at timestamptz NOT NULL) PARTITION BY LIST (status);"
        " CREATE TABLE p.pending PARTITION OF p.payments FOR VALUES IN ('pending');"
        " CREATE TABLE p.other PARTITION OF p.payments DEFAULT;"
        " INSERT INTO p.payments VALUES (1, 'pi_1', 'pending', 1250, 'eur', now() - interval '1 day')",
        table="p.payments",
    )
    stripe.serve(payment_intent("pi_1"))
    answer = shop.run("sweep", "--apply", "--json")
    assert answer.code in (0, 78), answer.err
    if answer.code == 0:
        assert shop.ask("SELECT id, status FROM p.payments") == [(1, "paid")]


def test_a_trigger_that_ignores_one_of_many(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A trigger answers yes and keeps the old status of one row: that row is a finding, the others are written."""
    shop = open_shop(
        after="CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.id = 2 THEN NEW.status := OLD.status; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER keep BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION keep();"
    )
    for key in range(1, 6):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid", 4: "paid", 5: "paid"}
    assert shop.reasons() == {"2": [("missed_outcome", "not_kept_by_table")]}
    assert len(shop.outbox()) == 4
    shop.assert_sound()


def test_a_trigger_that_deletes_the_row(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A table that archives paid rows by moving them away: no correction is claimed that cannot be read back."""
    shop = open_shop(
        after="CREATE TABLE archive (LIKE payments);"
        "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " DELETE FROM payments WHERE id = NEW.id; INSERT INTO archive SELECT NEW.*; RETURN NULL; END $$;"
        " CREATE TRIGGER move AFTER UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION move();"
    )
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.row(1, "pi_1")
    shop.sweep()
    moved = shop.ask("SELECT count(*) FROM archive")[0][0]
    assert len(shop.outbox()) == moved
    shop.assert_sound()


# --- a person ---


def test_a_revert_holds_until_stripe_says_something_else(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """After a revert the payment is refunded at Stripe: the row is not paid, and the refund is what is found."""
    shop = open_shop()
    intent = payment_intent("pi_1")
    stripe.serve(intent)
    shop.row(1, "pi_1")
    sweep = shop.sweep()["sweep"]
    assert shop.run("revert", str(sweep)).code == 0
    for _ in range(2):
        shop.sweep()
        assert shop.statuses() == {1: "pending"}
        assert shop.reasons() == {"1": [("missed_outcome", "reverted")]}
    stripe.change(charge_of(intent)["id"], amount_refunded=1250, refunded=True)
    stripe.serve(refund(intent, 1250))
    shop.sweep()
    assert shop.statuses() == {1: "pending"}
    assert [one["kind"] for one in shop.open()] == ["refund_drift"]
    shop.run("sweep", "--apply", "--again", str(sweep))
    assert shop.statuses() == {1: "pending"}
    shop.assert_sound()


def test_a_dispute_after_an_acceptance_is_a_new_fact(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Accepted with another amount, then quiet; a dispute that comes later is found."""
    shop = open_shop()
    intent = payment_intent("pi_1", amount=1500)
    stripe.serve(intent)
    shop.row(1, "pi_1", amount=1250)
    shop.sweep()
    assert shop.accept(shop.only()["id"], "--amount-differs").code == 0
    assert shop.statuses() == {1: "paid"}
    for _ in range(2):
        shop.sweep()
        assert shop.open() == []
    stripe.change(charge_of(intent)["id"], disputed=True)
    stripe.serve(dispute(intent, "needs_response"))
    shop.sweep()
    (found,) = shop.open()
    assert found["severity"] == "critical"
    assert found["stripe"]["disputed"] is True
    shop.assert_sound()


def test_an_acceptance_twice_and_of_a_row_that_is_gone(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A second acceptance writes nothing again; one for a row that was deleted or left the mapping writes nothing."""
    shop = open_shop(where="account IS NULL")
    for key in (1, 2, 3):
        stripe.serve(payment_intent(f"pi_{key}", amount=1500))
        shop.row(key, f"pi_{key}", amount=1250)
    shop.sweep()
    idents = {one["payment"]: one["id"] for one in shop.open()}
    assert shop.accept(idents["1"], "--amount-differs").code == 0
    shop.accept(idents["1"], "--amount-differs")
    shop.execute("DELETE FROM payments WHERE id = 2")
    shop.execute("UPDATE payments SET account = 'x' WHERE id = 3")
    for key in ("2", "3"):
        assert shop.accept(idents[key], "--amount-differs").code != 0
    assert shop.statuses() == {1: "paid", 3: "pending"}
    assert len(shop.outbox()) == 1
    shop.assert_sound()


# --- ids ---


def test_sessions_of_every_kind_in_the_column(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Expired, unpaid, setup and free sessions release nothing; the paid one is corrected, and no id is overwritten."""
    shop = open_shop(**LINKED)
    stripe.serve(
        payment_intent("pi_1", order="o-1"),
        checkout_session("cs_test_1", "pi_1", order="o-1"),
        checkout_session("cs_test_2", None, status="expired", payment_status="unpaid", order="o-2"),
        checkout_session(
            "cs_test_3", None, mode="setup", payment_status="no_payment_required", order="o-3"
        ),
        checkout_session("cs_test_4", None, mode="subscription", order="o-4"),
        checkout_session(
            "cs_test_5", None, status="open", payment_status="unpaid", order="o-5", expires_in=HOUR
        ),
    )
    for key in range(1, 6):
        shop.row(key, f"cs_test_{key}", order=f"o-{key}")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "pending", 4: "pending", 5: "pending"}
    assert {row.intent for row in shop.rows().values()} == {f"cs_test_{key}" for key in range(1, 6)}
    assert shop.open() == []
    shop.assert_sound()


def test_a_failed_charge_in_the_column_of_a_payment_that_was_made(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The row names the first charge, which failed; a later charge of the same intent paid: the row is not paid by it."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    stripe.serve(
        {
            "id": "ch_first",
            "object": "charge",
            "amount": 1250,
            "created": int(stripe.now().timestamp()) - 86_000,
            "currency": "eur",
            "payment_intent": "pi_1",
            "livemode": False,
            "status": "failed",
        }
    )
    shop.row(1, "ch_first")
    shop.run("sweep", "--apply", "--kind", "due", "--json")
    assert shop.statuses() == {1: "pending"}


def test_ten_thousand_rows_of_one_intent(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """One finding, within a bound, and the payments beside it are corrected."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.execute(
        "INSERT INTO payments (id, intent, status, amount, currency, created_at)"
        " SELECT n, 'pi_1', 'pending', 1250, 'eur', now() - interval '1 day' FROM generate_series(10, 10009) AS n"
    )
    shop.row(1, "pi_2")
    shop.run("sweep", "--apply", "--json")
    assert shop.statuses()[1] == "paid"
    assert shop.ask("SELECT count(*) FROM payments WHERE status = 'paid'") == [(1,)]
