"""The column holds charges, or ids of other gateways, which are no reason to ask Stripe."""

from __future__ import annotations

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import json_text
from tests.acceptance.payments.stripe_objects import (
    DAY,
    charge_of,
    payment_intent,
)
from tests.some_quick import some_quick


@some_quick("kind", ["due", "window", "all"], quick=1)
def test_a_charge_is_read_once(open_shop: OpenShop, stripe: ExactStripe, kind: str) -> None:
    """A row that holds the latest charge of a succeeded PaymentIntent is corrected, and keeps the charge's id."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", age=DAY / 2))
    stripe.serve(payment_intent("pi_2", method="sepa_debit", charge={"id": "py_2"}))
    stripe.serve(payment_intent("pi_3"))
    for key, held in ((1, "ch_1"), (2, "py_2"), (3, "ch_3")):
        shop.row(key, held, "paid" if key == 3 else "pending")
    for _ in range(2):
        shop.sweep("--kind", kind)
    assert {key: (row.intent, row.status) for key, row in shop.rows().items()} == {
        1: ("ch_1", "paid"),
        2: ("py_2", "paid"),
        3: ("ch_3", "paid"),
    }
    assert [(key, intent) for key, intent, _, _ in shop.outbox()] == [("1", "pi_1"), ("2", "pi_2")]
    assert shop.open() == []
    assert len(stripe.asked("/v1/charges/")) <= 3


def test_an_earlier_charge_does_not_make_a_row_paid(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The row stands for an attempt that failed; that another attempt succeeded does not make this one paid."""
    shop = open_shop()
    for key in (1, 2):
        intent = payment_intent(f"pi_{key}", charge={"id": f"ch_{key}_second"})
        first = {**charge_of(intent), "id": f"ch_{key}_first", "status": "failed"}
        stripe.serve(intent, {**first, "amount_captured": 0, "created": first["created"] - 600})
        shop.row(key, f"ch_{key}_first", "pending" if key == 1 else "failed")
    before = shop.rows()
    for _ in range(2):
        shop.sweep("--kind", "due")
    shop.assert_untouched(before)


def test_a_charge_without_a_payment_intent_is_counted(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """An old charge that no PaymentIntent made is no finding."""
    shop = open_shop()
    old = {**charge_of(payment_intent("pi_x")), "id": "ch_old", "payment_intent": None}
    stripe.serve(old, payment_intent("pi_20"))
    shop.row(1, "ch_old", "pending")
    shop.row(2, "ch_unknown", "paid")
    shop.row(20, "pi_20", "paid")
    before = shop.rows()
    for kind in ("due", "window"):
        shop.sweep("--kind", kind)
        shop.assert_untouched(before)
    assert "ch_old" not in json_text(shop.open())


# --- other gateways ---

FOREIGN = (
    "PAYID-MX12",
    "re_3Nabc",
    "seti_1Nabc",
    "sub_1Nabc",
    "in_1Nabc",
    "100023",
    "8f14e45f-ceea-467f-a9d5-1c0e6e1f7a3b",
    "tr_abc",
    "PI_1",
    "pi-1",
    "x" * 300,
    "Müller GmbH",
)


def test_other_gateways_rows_condemn_nothing(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What cannot be a PaymentIntent's id is not asked for and is no finding; the report counts it with an example."""
    shop = open_shop()
    for number, held in enumerate(FOREIGN * 3):
        shop.row(number, held, "paid" if number % 2 else "pending")
    for key in (900, 901):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "pending")
    for kind in ("due", "window", "all"):
        report = shop.sweep("--kind", kind)
        assert report["unexamined"] == 0
    assert {key: status for key, status in shop.statuses().items() if key >= 900} == {
        900: "paid",
        901: "paid",
    }
    assert len(shop.outbox()) == 2
    assert shop.open() == []
    asked = [one.path for one in stripe.asked("/v1/payment_intents/")]
    assert set(asked) <= {"/v1/payment_intents/pi_900", "/v1/payment_intents/pi_901"}
    count = str(3 * len(FOREIGN))
    notes = " ".join(report["notes"])
    assert count in notes
    assert "PaymentIntent" in notes
    assert any(held in notes for held in FOREIGN)
    assert count in shop.run("status").out
    assert "where" in shop.run("doctor").out


def test_a_table_of_foreign_ids_is_a_fault(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The doctor faults with 78 if no sampled id is a PaymentIntent's: the wrong column is mapped."""
    shop = open_shop()
    for number, held in enumerate(FOREIGN[:7]):
        shop.row(number, held, "paid")
    assert shop.run("doctor").code == 78
    before = shop.rows()
    shop.run("sweep", "--apply", "--kind", "due")
    shop.assert_untouched(before)
    assert stripe.asked("/v1/payment_intents/") == []


def test_a_session_that_stripe_does_not_know(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """An unknown session speaks neither for nor against the key, and no row is written because of it."""
    shop = open_shop()
    for key in range(1, 30):
        shop.row(key, f"cs_test_{key}", "pending")
    stripe.serve(payment_intent("pi_30"))
    shop.row(30, "pi_30")
    shop.sweep("--kind", "due")
    statuses = shop.statuses()
    assert statuses.pop(30) == "paid"
    assert set(statuses.values()) == {"pending"}


def test_an_empty_column_holds_nothing(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Blank text is no id: nothing is asked about it, and it is no finding."""
    shop = open_shop()
    for key, held in enumerate(["", " ", "\t", "\n"], 1):
        shop.row(key, held, "paid" if key % 2 else "pending")
    stripe.serve(payment_intent("pi_9"))
    shop.row(9, "pi_9")
    for kind in ("due", "window"):
        shop.sweep("--kind", kind)
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid", 4: "pending", 9: "paid"}
    assert shop.open() == []
