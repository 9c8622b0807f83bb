"""Several rows hold one PaymentIntent: a row for each attempt, a row for each part, or rows that nothing explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, ORDERS, PaymentShop
from tests.acceptance.payments.stripe_objects import HOUR, payment_intent
from tests.some_quick import some_quick

SILENCE = """
CREATE FUNCTION silence() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF OLD.id = 11 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER silence BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION silence()
"""
LocalRow = tuple[str, int]
"""Status and amount of one of the rows that hold an intent."""


def together(shop: PaymentShop, key: int, rows: Sequence[LocalRow], **each: Any) -> None:
    """Rows with keys from ``key`` on that all hold the PaymentIntent ``pi_<key>``."""
    for number, (status, amount) in enumerate(rows):
        values = {"order": f"o-{key}", **each}
        shop.row(key + number, f"pi_{key}", status, amount, **values)


def attempts(*statuses: str) -> list[LocalRow]:
    """Rows of the same money, one for each attempt."""
    return [(status, 1250) for status in statuses]


@some_quick("mapped", [{}, ORDERS, LINKED], ids=["plain", "order", "linked"], quick=1)
def test_attempts_that_ended_are_history(
    open_shop: OpenShop, stripe: ExactStripe, mapped: dict[str, str]
) -> None:
    """Declined, then paid, under one PaymentIntent, and everything was handled: no finding, and nothing to write."""
    shop = open_shop(**mapped)
    handled = [("failed", "paid"), ("canceled", "paid"), ("failed", "canceled", "failed", "paid")]
    for number, statuses in enumerate(handled):
        key = 10 * number + 10
        stripe.serve(payment_intent(f"pi_{key}", order=f"o-{key}"))
        together(shop, key, attempts(*statuses))
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)
    assert shop.open() == []


@some_quick("kind", ["due", "window", "all"], quick=2)
@pytest.mark.parametrize("mapped", [{}, LINKED], ids=["plain", "linked"])
def test_the_attempt_that_goes_on_is_corrected(
    open_shop: OpenShop, stripe: ExactStripe, mapped: dict[str, str], kind: str
) -> None:
    """The webhook of the last attempt is lost: that row is corrected, and the earlier ones stay as they are."""
    shop = open_shop(**mapped)
    cases = {
        10: (("failed", "pending"), "succeeded", "paid"),
        20: (("pending", "failed", "failed"), "succeeded", "paid"),
        30: (("canceled", "processing"), "succeeded", "paid"),
        40: (("failed", "pending"), "requires_capture", "authorized"),
        50: (("failed", "pending"), "processing", "processing"),
    }
    expected = {}
    for key, (statuses, at_stripe, written) in cases.items():
        stripe.serve(payment_intent(f"pi_{key}", at_stripe, order=f"o-{key}", age=HOUR / 2))
        together(shop, key, attempts(*statuses))
        for number, status in enumerate(statuses):
            going_on = status in ("pending", "processing")
            expected[key + number] = written if going_on else status
    shop.sweep("--kind", kind)
    assert shop.statuses() == expected
    assert shop.open() == []
    assert len(shop.outbox()) == len(cases)
    shop.assert_sound()


def test_the_last_attempt_failed_too(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A history of failures does not keep the last attempt from being made canceled or failed."""
    shop = open_shop(**LINKED)
    stripe.serve(payment_intent("pi_10", "canceled", order="o-10"))
    together(shop, 10, attempts("failed", "pending"))
    stripe.serve(payment_intent("pi_20", "declined", order="o-20"))
    together(shop, 20, attempts("failed", "pending"))
    shop.sweep()
    assert shop.statuses() == {10: "failed", 11: "canceled", 20: "failed", 21: "failed"}


def test_the_attempt_that_counts_is_compared(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Beside its history the row is judged like any other: contradicted, refunded, another amount."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10", "canceled"))
    together(shop, 10, attempts("failed", "paid"))
    stripe.serve(payment_intent("pi_20", charge={"amount_refunded": 1250, "refunded": True}))
    together(shop, 20, attempts("failed", "pending"))
    stripe.serve(payment_intent("pi_30", amount=1300))
    together(shop, 30, attempts("canceled", "paid"))
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    kinds = sorted((one["payment_intent"], one["kind"], one["severity"]) for one in shop.open())
    assert kinds == [
        ("pi_10", "contradicted", "critical"),
        ("pi_20", "refund_drift", "critical"),
        ("pi_30", "amount_mismatch", "critical"),
    ]


AMBIGUOUS: dict[str, tuple[list[LocalRow], str]] = {
    "two pending": (attempts("pending", "pending"), "critical"),
    "all ended": (attempts("failed", "canceled"), "critical"),
    "another amount": ([("failed", 1250), ("pending", 1000)], "critical"),
    "two going on": (attempts("pending", "processing", "failed"), "critical"),
    "one paid, one pending": (attempts("paid", "pending"), "warning"),
    "two paid": (attempts("paid", "paid"), "warning"),
}


def test_rows_that_nothing_explains_are_ambiguous(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Nothing is written, and one finding names every row: critical only if money was taken and no row says so."""
    shop = open_shop()
    expected = {}
    for number, (rows, severity) in enumerate(AMBIGUOUS.values(), 1):
        key = 10 * number
        stripe.serve(payment_intent(f"pi_{key}"))
        together(shop, key, rows)
        keys = " ".join(str(key + place) for place in range(len(rows)))
        expected[keys] = [("ambiguous_row", severity, None)]
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == expected


def test_rows_of_several_orders_are_no_history(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A failed row of another order is no earlier attempt, if orders are mapped."""
    shop = open_shop(**ORDERS)
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "failed", order="o-1")
    shop.row(2, "pi_1", "pending", order="o-2")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == {"1 2": [("ambiguous_row", "critical", None)]}


def test_ambiguous_rows_without_money_are_a_warning(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """If no money was taken, several rows are a question, not an alarm."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10", "canceled"))
    stripe.serve(payment_intent("pi_20", "processing", method="sepa_debit"))
    together(shop, 10, [("pending", 1250), ("pending", 900)])
    together(shop, 20, attempts("pending", "pending"))
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert {one["severity"] for one in shop.open()} == {"warning"}
    assert set(shop.open_kinds()) == {"ambiguous_row"}


# --- a row for each part ---


@some_quick("kind", ["due", "window", "all"], quick=1)
def test_parts_of_one_payment_are_corrected_together(
    open_shop: OpenShop, stripe: ExactStripe, kind: str
) -> None:
    """Rows that add up to the PaymentIntent's amount stand as one payment; each is written and has its outbox row."""
    shop = open_shop(**LINKED)
    cases = {
        10: ([500, 750], "succeeded", "paid"),
        20: ([1, 2, 1247], "succeeded", "paid"),
        30: ([1000, 250], "requires_capture", "authorized"),
        40: ([600, 650], "processing", "processing"),
        50: ([1249, 1], "canceled", "canceled"),
    }
    expected = {}
    for key, (amounts, at_stripe, written) in cases.items():
        stripe.serve(payment_intent(f"pi_{key}", at_stripe, order=f"o-{key}", age=HOUR / 2))
        together(shop, key, [("pending", amount) for amount in amounts])
        expected |= {key + number: written for number in range(len(amounts))}
    shop.sweep("--kind", kind)
    assert shop.statuses() == expected
    assert {int(key): to for key, _, _, to in shop.outbox()} == expected
    assert shop.open() == []
    shop.sweep()
    assert shop.open() == []
    shop.assert_sound()


def test_parts_that_agree_are_no_finding(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Paid parts of a paid intent, held parts of a held one, and parts that say what was refunded, agree."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10"), payment_intent("pi_20", "requires_capture"))
    together(shop, 10, [("paid", 500), ("paid", 750)])
    together(shop, 20, [("authorized", 500), ("authorized", 750)])
    stripe.serve(payment_intent("pi_30", charge={"amount_refunded": 750}))
    together(shop, 30, [("paid", 500), ("refunded", 750)])
    stripe.serve(payment_intent("pi_40", charge={"amount_refunded": 450}))
    together(shop, 40, [("paid", 500), ("refunded", 250), ("paid", 300), ("refunded", 200)])
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.open() == []


NO_PARTS: dict[str, list[LocalRow]] = {
    "too little": [("pending", 500), ("pending", 700)],
    "too much": [("pending", 500), ("pending", 800)],
    "a negative part": [("pending", 1500), ("pending", -250)],
    "an empty part": [("pending", 1250), ("pending", 0)],
    "two outcomes": [("pending", 500), ("processing", 750)],
}


def test_what_does_not_add_up_is_ambiguous(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Parts are positive, of one outcome and one currency, and together exactly the PaymentIntent's amount."""
    shop = open_shop()
    for number, rows in enumerate(NO_PARTS.values(), 1):
        stripe.serve(payment_intent(f"pi_{10 * number}"))
        together(shop, 10 * number, rows)
    stripe.serve(payment_intent("pi_90"))
    shop.row(90, "pi_90", "pending", 500, "eur")
    shop.row(91, "pi_90", "pending", 750, "usd")
    stripe.serve(payment_intent("pi_95", charge={"amount_refunded": 500}))
    together(shop, 95, [("paid", 500), ("refunded", 750)])
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert set(shop.open_kinds()) == {"ambiguous_row"}
    assert len(shop.open()) == len(NO_PARTS) + 2


def test_the_sum_of_the_parts_meets_every_condition(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Parts of an intent of which less was captured, which was refunded or is disputed, are flagged like one row."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10", captured=1000))
    stripe.serve(payment_intent("pi_20", charge={"amount_refunded": 100}))
    stripe.serve(payment_intent("pi_30", currency="usd"))
    for key in (10, 20, 30):
        together(shop, key, [("pending", 500), ("pending", 750)])
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert {key: found[0][0] for key, found in shop.flags().items()} == {
        "10 11": "amount_mismatch",
        "20 21": "refund_drift",
        "30 31": "currency_mismatch",
    }


def test_parts_are_written_all_or_none(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """One part that another transaction has locked keeps the others from being written; the next sweep does all."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_10"))
    together(shop, 10, [("pending", 500), ("pending", 600), ("pending", 150)])
    before = shop.rows()
    with shop.locked("SELECT * FROM payments WHERE id = 11 FOR UPDATE"):
        report = shop.sweep("--kind", "due")
    assert report["waiting"] == 1
    shop.assert_untouched(before)
    stripe.offset += HOUR
    shop.sweep("--kind", "due")
    assert set(shop.statuses().values()) == {"paid"}
    assert len(shop.outbox()) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        "ALTER TABLE payments ADD CHECK (NOT (id = 11 AND status = 'paid'))",
        SILENCE,
    ],
    ids=["check", "trigger"],
)
def test_a_part_that_the_table_refuses_refuses_all(
    open_shop: OpenShop, stripe: ExactStripe, refusal: str
) -> None:
    """A constraint or trigger against one part is a finding about the payment, and no part of it is written."""
    shop = open_shop(after=refusal)
    stripe.serve(payment_intent("pi_10"), payment_intent("pi_20"))
    together(shop, 10, [("pending", 500), ("pending", 750)])
    together(shop, 20, [("pending", 500), ("pending", 750)])
    shop.sweep()
    assert shop.statuses() == {10: "pending", 11: "pending", 20: "paid", 21: "paid"}
    (found,) = shop.open()
    assert (found["kind"], found["payment"]) == ("missed_outcome", "10 11")
    assert found["reason"] in ("refused_by_table", "not_kept_by_table")
    assert [key for key, *_ in shop.outbox()] == ["20", "21"]
    shop.assert_sound()
