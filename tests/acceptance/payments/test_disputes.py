"""A dispute has a state: the bank asks, the money is withheld, the merchant has won or has lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop, json_text
from tests.acceptance.payments.stripe_objects import (
    HOUR,
    MINUTE,
    Json,
    dispute,
    event,
    payment_intent,
)
from tests.some_quick import some_quick

OVER = ("won", "prevented", "warning_closed")
INQUIRY = ("warning_needs_response", "warning_under_review")
GOING_ON = ("needs_response", "under_review")
STATES = ("lost", *GOING_ON, *INQUIRY, *OVER)
WHEN_PAID = {
    "lost": "critical",
    **dict.fromkeys(GOING_ON, "warning"),
    **dict.fromkeys(INQUIRY, "info"),
}
"""How severe a dispute is beside a row that reads as paid; one that is over is no finding."""
WHEN_PENDING = {
    **dict.fromkeys(("lost", *GOING_ON), "critical"),
    **dict.fromkeys(INQUIRY, "warning"),
}


def disputed(
    shop: PaymentShop, key: int, local: str, *states: str, flag: bool = True, **charge: Any
) -> Json:
    """A succeeded payment with disputes in these states, one after another, and its row."""
    intent = payment_intent(f"pi_{key}", charge={"disputed": flag, **charge})
    shop.stripe.serve(intent)
    for number, state in enumerate(states):
        age = timedelta(hours=20 - number)
        shop.stripe.serve(dispute(intent, state, age=age))
    shop.row(key, f"pi_{key}", local)
    return intent


def severities(shop: PaymentShop) -> dict[str, tuple[str, str, int]]:
    """Kind, severity and money of each row's one finding."""
    found = shop.by_row()
    assert all(len(of) == 1 for of in found.values()), found
    return {key: (one["kind"], one["severity"], one["amount"]) for key, (one,) in found.items()}


@pytest.mark.parametrize("kind", ["window", "all"])
def test_a_paid_row_is_flagged_by_the_state(open_shop: OpenShop, kind: str) -> None:
    """Lost is critical, a case that goes on a warning, an inquiry information; won, prevented and closed are nothing."""
    shop = open_shop()
    for key, state in enumerate(STATES, 1):
        disputed(shop, key, "paid", state)
    before = shop.rows()
    shop.sweep("--kind", kind)
    shop.assert_untouched(before)
    assert severities(shop) == {
        str(key): ("dispute_drift", WHEN_PAID[state], 1250)
        for key, state in enumerate(STATES, 1)
        if state in WHEN_PAID
    }
    for found in shop.open():
        state = STATES[int(found["payment"]) - 1]
        assert state in json_text(found["evidence"])


@some_quick("kind", ["due", "window", "all"], quick=1)
def test_an_open_row_is_corrected_only_when_it_is_over(open_shop: OpenShop, kind: str) -> None:
    """Goods are not sent while the money is in question: such a row is critical; after a win it becomes paid."""
    shop = open_shop()
    for key, state in enumerate(STATES, 1):
        disputed(shop, key, "pending", state)
    shop.sweep("--kind", kind)
    assert shop.statuses() == {
        key: "paid" if state in OVER else "pending" for key, state in enumerate(STATES, 1)
    }
    assert severities(shop) == {
        str(key): ("dispute_drift", WHEN_PENDING[state], 1250)
        for key, state in enumerate(STATES, 1)
        if state in WHEN_PENDING
    }
    shop.assert_sound()


def test_a_disputed_row_needs_a_dispute(open_shop: OpenShop) -> None:
    """A row that reads as disputed agrees while there is or was a dispute, and is a warning if there is none at all."""
    shop = open_shop()
    for key, state in enumerate(STATES, 1):
        disputed(shop, key, "disputed", state)
    disputed(shop, 20, "disputed", "won", flag=False)
    disputed(shop, 21, "disputed", "warning_closed", "won", flag=False)
    disputed(shop, 30, "disputed", flag=False)
    before = shop.rows()
    shop.sweep()
    shop.sweep("--kind", "window")
    shop.assert_untouched(before)
    assert severities(shop) == {"30": ("dispute_drift", "warning", 1250)}


MIXED: dict[tuple[str, ...], str | None] = {
    ("won", "needs_response"): "warning",
    ("needs_response", "won"): "warning",
    ("lost", "won"): "critical",
    ("warning_closed", "lost"): "critical",
    ("warning_closed", "warning_needs_response"): "info",
    ("warning_under_review", "under_review"): "warning",
    ("won", "warning_closed", "prevented"): None,
    ("under_review", "needs_response", "lost"): "critical",
}


def test_of_several_disputes_the_worst_counts(open_shop: OpenShop) -> None:
    """A charge can be disputed several times: whichever came first, the worst state decides."""
    shop = open_shop()
    for key, states in enumerate(MIXED, 1):
        disputed(shop, key, "paid", *states)
        disputed(shop, 10 + key, "pending", *states)
    shop.sweep()
    found = severities(shop)
    statuses = shop.statuses()
    for key, severity in enumerate(MIXED.values(), 1):
        assert found.get(str(key), (None, None))[1] == severity
        assert statuses[10 + key] == ("paid" if severity is None else "pending")


def test_a_dispute_that_is_not_listed_is_not_over(open_shop: OpenShop) -> None:
    """The charge says that it is disputed and no dispute is found: flagged with that reason, nothing written."""
    shop = open_shop()
    disputed(shop, 1, "paid")
    disputed(shop, 2, "pending")
    disputed(shop, 3, "failed")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {
        str(key): [("dispute_drift", "dispute_not_listed")] for key in (1, 2, 3)
    }


def test_after_a_win_the_refund_rules_follow(open_shop: OpenShop) -> None:
    """A dispute that is over hides no refund: what went back is flagged as it would be without the dispute."""
    shop = open_shop()
    disputed(shop, 1, "pending", "won", amount_refunded=400)
    disputed(shop, 2, "paid", "won", amount_refunded=1250, refunded=True)
    disputed(shop, 3, "paid", "warning_closed", amount_refunded=400)
    disputed(shop, 4, "refunded", "won", amount_refunded=1250, refunded=True)
    disputed(shop, 5, "refunded", "won")
    before = shop.rows()
    shop.sweep()
    shop.assert_untouched(before)
    assert severities(shop) == {
        "1": ("refund_drift", "critical", 400),
        "2": ("refund_drift", "warning", 1250),
        "5": ("refund_missing", "critical", 1250),
    }


def test_until_when_evidence_is_taken(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The finding says until when the bank takes evidence: after that the money is lost."""
    shop = open_shop()
    due = stripe.now().replace(microsecond=0) + timedelta(days=9)
    intent = payment_intent("pi_1", charge={"disputed": True})
    stripe.serve(intent, dispute(intent, "needs_response", due_by=due))
    shop.row(1, "pi_1", "paid")
    shop.sweep()
    text = json_text(shop.only()["evidence"])
    assert due.date().isoformat() in text or str(int(due.timestamp())) in text


def test_disputes_are_read_once_and_only_for_disputed_charges(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A read for each charge whose dispute would make a finding, and none for any other."""
    shop = open_shop()
    for key in range(1, 8):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "paid" if key % 2 else "pending")
    shop.sweep()
    assert stripe.asked("/v1/disputes") == []
    disputed(shop, 20, "paid", "needs_response")
    disputed(shop, 21, "paid", "won")
    shop.sweep("--kind", "window")
    assert len(stripe.asked("/v1/disputes")) == 2
    for request in stripe.asked("/v1/disputes"):
        assert request.all("charge") or request.all("payment_intent")


def test_disputes_that_cannot_be_read_are_no_verdict(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """If the disputes cannot be read, nothing is written or said about that payment, and the sweep is not complete."""
    shop = open_shop()
    disputed(shop, 1, "pending", "won")
    stripe.serve(payment_intent("pi_2"))
    shop.row(2, "pi_2")
    stripe.refuse("/v1/disputes", 500)
    assert shop.run("sweep", "--apply", "--kind", "due").code == 75
    assert shop.statuses() == {1: "pending", 2: "paid"}
    assert shop.open() == []
    stripe.relent()
    stripe.offset = 10 * MINUTE
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid"}


def test_a_dispute_goes_on_and_ends(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The same discrepancy becomes worse when the dispute is lost, and closes when it is won."""
    shop = open_shop()
    lost = disputed(shop, 1, "paid")
    won = disputed(shop, 2, "paid")
    going_on = {1: dispute(lost, "under_review"), 2: dispute(won, "needs_response")}
    stripe.serve(*going_on.values())
    shop.sweep("--kind", "window")
    first = {one["payment"]: one["id"] for one in shop.open()}
    assert set(first) == {"1", "2"}
    stripe.change(going_on[1]["id"], status="lost")
    stripe.change(going_on[2]["id"], status="won")
    stripe.offset = HOUR
    shop.sweep("--kind", "window")
    (left,) = shop.open()
    assert (left["id"], left["severity"]) == (first["1"], "critical")
    (closed,) = shop.discrepancies("closed")
    assert closed["id"] == first["2"]


def test_a_row_waits_for_the_end_and_is_corrected(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A pending row whose dispute was open is corrected by a later sweep, after the merchant has won."""
    shop = open_shop()
    intent = disputed(shop, 1, "pending")
    going_on = dispute(intent, "needs_response")
    stripe.serve(going_on)
    shop.sweep()
    assert shop.statuses() == {1: "pending"}
    stripe.change(going_on["id"], status="won")
    stripe.serve(event("charge.dispute.closed", {**going_on, "status": "won"}, age=HOUR))
    stripe.offset = HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid"}
    assert shop.open() == []
    shop.assert_sound()


def test_explain_names_the_state(open_shop: OpenShop) -> None:
    """A person who asks about the payment reads how the dispute stands."""
    shop = open_shop()
    disputed(shop, 1, "paid", "won")
    disputed(shop, 2, "paid", "needs_response")
    for key, state in ((1, "won"), (2, "needs_response")):
        answer = shop.run("explain", f"pi_{key}")
        assert answer.code == 0, answer.err
        assert state in answer.out
