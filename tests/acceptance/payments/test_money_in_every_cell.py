"""Agreement about the outcome is not agreement about the money: kept money, and money that is missing."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.stripe_objects import (
    DAY,
    MINUTE,
    dispute,
    payment_intent,
    refund,
)

MISSING: dict[str, tuple[dict[str, Any], list[tuple[str, int]], int]] = {
    "nothing went back": ({}, [], 1250),
    "a part went back": ({"amount_refunded": 500}, [], 750),
    "one cent is missing": ({"amount_refunded": 1249}, [], 1),
    "all went back": ({"amount_refunded": 1250, "refunded": True}, [], 0),
    "the bank took it": ({"disputed": True}, [("lost", 1250)], 0),
    "refund and lost dispute": (
        {"disputed": True, "amount_refunded": 500},
        [("lost", 750)],
        0,
    ),
    "a dispute that was won took nothing": ({"disputed": True}, [("won", 1250)], 1250),
    "a lost dispute of a part": ({"disputed": True}, [("lost", 1000)], 250),
    "more than was paid went back": (
        {"disputed": True, "amount_refunded": 1250},
        [("lost", 1250)],
        0,
    ),
}
"""Fields of the charge, its disputes, and the money that is missing."""


def test_a_refund_that_never_happened_is_critical(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The customer was promised the money: what neither a refund nor a lost dispute gave back is missing."""
    shop = open_shop()
    expected = {}
    for key, (charge, disputes, missing) in enumerate(MISSING.values(), 1):
        intent = payment_intent(f"pi_{key}", charge=charge)
        stripe.serve(intent)
        stripe.serve(*(dispute(intent, status, amount=amount) for status, amount in disputes))
        shop.row(key, f"pi_{key}", "refunded")
        if missing:
            expected[str(key)] = [("refund_missing", "critical", missing)]
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    found = {
        key: [(one["kind"], one["severity"], one["amount"]) for one in of]
        for key, of in shop.by_row().items()
    }
    assert found == expected


def test_a_refund_that_arrives_closes_it(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """When the money went back after all, the finding is closed."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "refunded")
    shop.sweep("--kind", "window")
    assert shop.open_kinds() == ["refund_missing"]
    stripe.change("ch_1", amount_refunded=1250, refunded=True)
    shop.sweep("--kind", "window")
    assert [one["state"] for one in shop.discrepancies()] == ["closed"]


def test_a_fresh_refund_may_be_on_its_way(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that became refunded within the grace waits, if the table says when; an older change does not."""
    shop = open_shop(updated="updated_at")
    for key, changed in ((1, 30), (2, 600)):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "refunded")
        shop.execute(
            f"UPDATE payments SET updated_at = now() - interval '{changed} s' WHERE id = {key}"
        )
    report = shop.sweep("--kind", "window")
    assert report["waiting"] == 1
    assert [(one["kind"], one["payment"]) for one in shop.open()] == [("refund_missing", "2")]
    stripe.offset = 10 * MINUTE
    shop.sweep()
    assert shop.open_kinds() == ["refund_missing", "refund_missing"]


def test_a_word_for_a_partial_refund_is_paid(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A local word for a partial refund is mapped to succeeded: no finding; mapped to refunded, the doctor warns."""
    shop = open_shop()
    read = {**shop.sections["payments"]["read"], "partially_refunded": "succeeded"}
    shop.configure(payments={"read": read})
    stripe.serve(payment_intent("pi_1", charge={"amount_refunded": 400}))
    shop.row(1, "pi_1", "partially_refunded")
    shop.sweep("--kind", "window")
    assert shop.open() == []
    shop.configure(payments={"read": {**read, "partially_refunded": "refunded"}})
    warning = "maps partially_refunded to refunded"
    assert warning in shop.run("doctor").out
    shop.configure(payments={"read": {**read, "partially_refunded": "succeeded"}})
    assert warning not in shop.run("doctor").out


# --- money that stayed ---

CANCELED_ROWS: dict[str, tuple[str, dict[str, Any], list[str], list[tuple[str, str, int]]]] = {
    "paid after the cancellation": (
        "succeeded",
        {},
        [],
        [("paid_after_cancel", "critical", 1250)],
    ),
    "a part went back": (
        "succeeded",
        {"amount_refunded": 500},
        [],
        [("paid_after_cancel", "critical", 750)],
    ),
    "all went back": ("succeeded", {"amount_refunded": 1250, "refunded": True}, [], []),
    "the bank took it back": ("succeeded", {"disputed": True}, ["lost"], []),
    "canceled, and some was captured": (
        "canceled",
        {"amount_captured": 700, "status": "succeeded"},
        [],
        [("amount_mismatch", "critical", 700)],
    ),
    "canceled, captured, and a part went back": (
        "canceled",
        {"amount_captured": 700, "amount_refunded": 300, "status": "succeeded"},
        [],
        [("amount_mismatch", "critical", 400)],
    ),
    "canceled, and nothing was taken": ("canceled", {"amount_captured": 0}, [], []),
    "still held": ("requires_capture", {}, [], [("paid_after_cancel", "critical", 1250)]),
}


def test_a_canceled_row_asks_what_was_kept(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A canceled order whose money went back has ended well; what was kept is at stake."""
    shop = open_shop()
    expected = {}
    for key, (status, charge, disputes, found) in enumerate(CANCELED_ROWS.values(), 1):
        received = charge.get("amount_captured", 0) if status == "canceled" else None
        fields = {} if received is None else {"amount_received": received}
        intent = payment_intent(f"pi_{key}", status, charge=charge, **fields)
        if charge.get("amount_refunded") == 300:
            stripe.serve(refund(intent, 300))
        stripe.serve(intent, *(dispute(intent, state) for state in disputes))
        shop.row(key, f"pi_{key}", "canceled")
        if found:
            expected[str(key)] = found
    before = shop.rows()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert {
        key: [(one["kind"], one["severity"], one["amount"]) for one in of if of]
        for key, of in shop.by_row().items()
    } == expected


def test_an_open_row_is_not_canceled_over_money(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A canceled PaymentIntent that received money does not release the order."""
    shop = open_shop()
    stripe.serve(
        payment_intent(
            "pi_1",
            "canceled",
            amount_received=700,
            charge={"amount_captured": 700, "status": "succeeded"},
        )
    )
    shop.row(1, "pi_1")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.flags() == {"1": [("amount_mismatch", "warning", None)]}


def test_both_authorized_compare_what_is_held(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A hold for another amount, or one of which something was captured, is not the row's hold."""
    shop = open_shop()
    held = payment_intent("pi_1", "requires_capture", age=DAY / 2)
    less = payment_intent("pi_2", "requires_capture", amount=1000, age=DAY / 2)
    more = payment_intent("pi_3", "requires_capture", amount=1300, age=DAY / 2)
    begun = payment_intent(
        "pi_4", "requires_capture", age=DAY / 2, amount_received=500, amount_capturable=750
    )
    dollars = payment_intent("pi_5", "requires_capture", currency="usd", age=DAY / 2)
    for key, intent in enumerate([held, less, more, begun, dollars], 1):
        stripe.serve(intent)
        shop.row(key, f"pi_{key}", "authorized")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    found = {key: (of[0]["kind"], of[0]["amount"]) for key, of in shop.by_row().items()}
    assert found["2"] == ("amount_mismatch", 250)
    assert found["3"] == ("amount_mismatch", 50)
    assert found["4"] == ("partially_captured", 500)
    assert found["5"][0] == "currency_mismatch"
    assert "1" not in found


def test_a_payment_with_several_findings_counts_once(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """In every sum of money a payment stands with its greatest stake, however many findings it has."""
    shop = open_shop()
    expiring = int((stripe.now() + DAY / 4).timestamp())
    stripe.serve(
        payment_intent(
            "pi_1",
            "requires_capture",
            amount=1000,
            charge={
                "payment_method_details": {"type": "card", "card": {"capture_before": expiring}}
            },
        )
    )
    shop.row(1, "pi_1", "authorized", 1250)
    total = [{"currency": "eur", "amount": 1000}]
    report = shop.sweep()
    assert report["discrepancies"] == {"amount_mismatch": 1, "capture_expiring": 1}
    assert report["at_stake_total"] == total
    # the sum of a kind is that of its own findings
    assert {one["kind"]: one["amount"] for one in report["at_stake"]} == {
        "amount_mismatch": 250,
        "capture_expiring": 1000,
    }
    (status,) = json.loads(shop.run("status", "--format", "json").out)
    assert status["at_stake_total"] == total
    assert {one["kind"]: one["amount"] for one in status["open_discrepancies"]} == {
        "amount_mismatch": 250,
        "capture_expiring": 1000,
    }
    text = shop.run("status").out
    assert [line.split() for line in text.splitlines() if " total" in line] == [
        ["total,", "counting", "each", "payment", "once", "2", "10.00", "EUR"]
    ]
