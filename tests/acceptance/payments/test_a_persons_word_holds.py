"""What a person has decided about money stays decided until a new fact comes, and what was taken back stays so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import LINKED, PaymentShop, json_text
from tests.acceptance.payments.stripe_objects import HOUR, dispute, payment_intent
from tests.some_quick import some_quick

DIFFERS = "--amount-differs"


def quiet(shop: PaymentShop, sweeps: int = 3) -> None:
    """Further sweeps of every kind find nothing, and write nothing."""
    before, sent = shop.rows(), shop.outbox()
    for kind in ("all", "window", "due")[:sweeps]:
        shop.stripe.offset += HOUR
        shop.sweep("--kind", kind)
        assert shop.open() == []
    assert shop.rows() == before
    assert shop.outbox() == sent
    shop.assert_sound()


OTHER_MONEY: dict[str, tuple[dict[str, Any], int, str]] = {
    "a tip": ({"amount": 1200}, 1000, "eur"),
    "another currency": ({"amount": 73, "currency": "usd"}, 1250, "mxn"),
    "a smaller capture": ({"captured": 1000}, 1250, "eur"),
    "a smaller capture before 2025": (
        {"captured": 1000, "charge": {"amount_refunded": 250}},
        1250,
        "eur",
    ),
}


@some_quick("local", ["pending", "failed", "canceled"], quick=1)
def test_accepting_another_amount_is_final(open_shop: OpenShop, local: str) -> None:
    """Another amount is accepted only with --amount-differs; then the row keeps its amount, and all is quiet."""
    shop = open_shop()
    for key, (intent, amount, currency) in enumerate(OTHER_MONEY.values(), 1):
        shop.stripe.serve(payment_intent(f"pi_{key}", **intent))
        shop.row(key, f"pi_{key}", local, amount, currency)
    before = shop.rows()
    shop.sweep("--kind", "window")
    found = shop.open()
    assert len(found) == len(OTHER_MONEY)
    for one in found:
        assert shop.accept(one["id"]).code in (1, 75)
    shop.assert_untouched(before)
    for one in found:
        answer = shop.accept(one["id"], DIFFERS)
        assert answer.code == 0, answer.err
    assert set(shop.statuses().values()) == {"paid"}
    assert [row.amount for row in shop.rows().values()] == [row.amount for row in before.values()]
    assert {one["state"] for one in shop.discrepancies()} == {"resolved"}
    quiet(shop)
    assert len(shop.outbox()) == len(OTHER_MONEY)


ACCEPTED: dict[str, tuple[str, str, str]] = {
    "a canceled order was paid": ("canceled", "succeeded", "paid"),
    "a paid row was never paid": ("paid", "canceled", "canceled"),
    "a paid row was declined": ("paid", "declined", "failed"),
    "a paid row is only held": ("paid", "requires_capture", "authorized"),
}


def test_accepting_stripes_outcome_is_final(open_shop: OpenShop) -> None:
    """A settled row is given Stripe's outcome by a person, and no later sweep asks again."""
    shop = open_shop(**LINKED)
    for key, (local, at_stripe, _) in enumerate(ACCEPTED.values(), 1):
        shop.stripe.serve(payment_intent(f"pi_{key}", at_stripe, order=f"o-{key}", age=20 * HOUR))
        shop.row(key, f"pi_{key}", local, order=f"o-{key}")
    shop.sweep("--kind", "window")
    for one in shop.open():
        answer = shop.accept(one["id"])
        assert answer.code == 0, answer.err
    assert shop.statuses() == {
        key: written for key, (_, _, written) in enumerate(ACCEPTED.values(), 1)
    }
    quiet(shop)


NEW_FACTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "refunded": ({}, {"amount_refunded": 1200, "refunded": True}),
    "disputed": ({}, {"disputed": True}),
}


@some_quick("fact", NEW_FACTS, quick=1)
def test_a_new_fact_at_stripe_opens_the_question(open_shop: OpenShop, fact: str) -> None:
    """After the acceptance the money went back, or is disputed: there is a finding again."""
    shop = open_shop()
    intent = payment_intent("pi_1", amount=1200)
    shop.stripe.serve(intent)
    shop.row(1, "pi_1", amount=1000)
    shop.sweep()
    assert shop.accept(shop.only()["id"], DIFFERS).code == 0
    quiet(shop, 1)
    shop.stripe.change("ch_1", **NEW_FACTS[fact][1])
    if fact == "disputed":
        shop.stripe.serve(dispute(intent, "lost"))
    shop.sweep("--kind", "window")
    assert shop.open() != []
    assert shop.statuses() == {1: "paid"}


def test_a_new_amount_here_opens_the_question(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The merchant changes the amount that was accepted: the mismatch is asked about anew."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", amount=1200), payment_intent("pi_2", amount=1200))
    shop.row(1, "pi_1", amount=1000)
    shop.row(2, "pi_2", amount=1000)
    shop.sweep()
    for one in shop.open():
        assert shop.accept(one["id"], DIFFERS).code == 0
    shop.execute("UPDATE payments SET amount = 1100 WHERE id = 1")
    shop.execute("UPDATE payments SET amount = 1200 WHERE id = 2")
    shop.sweep("--kind", "window")
    assert shop.flags() == {"1": [("amount_mismatch", "critical", None)]}


def test_stripe_is_read_anew_at_acceptance(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """What went back or is disputed since the finding is named to the person who accepts."""
    shop = open_shop()
    disputed = payment_intent("pi_2", amount=1200)
    stripe.serve(payment_intent("pi_1", amount=1200), disputed)
    shop.row(1, "pi_1", amount=1000)
    shop.row(2, "pi_2", amount=1000)
    shop.sweep()
    found = {one["payment"]: one["id"] for one in shop.open()}
    stripe.change("ch_1", amount_refunded=1200, refunded=True)
    stripe.change("ch_2", disputed=True)
    stripe.serve(dispute(disputed, "needs_response"))
    for key, named in (("1", "refund"), ("2", "disput")):
        answer = shop.accept(found[key], DIFFERS)
        assert named in (answer.out + answer.err).lower()


def test_accepting_cannot_be_done_twice(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A second acceptance of the same discrepancy writes nothing more."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", amount=1200))
    shop.row(1, "pi_1", amount=1000)
    shop.sweep()
    ident = shop.only()["id"]
    shop.accept(ident, DIFFERS)
    shop.accept(ident, DIFFERS)
    assert len(shop.outbox()) == 1
    quiet(shop, 1)


# --- what was taken back stays so ---


def corrected(shop: PaymentShop, *pairs: tuple[str, str]) -> str:
    """Rows that one sweep has corrected; the sweep's number."""
    for key, (local, at_stripe) in enumerate(pairs, 1):
        intent = payment_intent(f"pi_{key}", at_stripe, order=f"o-{key}", age=10 * HOUR)
        shop.stripe.serve(intent)
        shop.row(key, f"pi_{key}", local, order=f"o-{key}")
    report = shop.sweep()
    assert report["corrected"] == len(pairs)
    return str(report["sweep"])


PAIRS = (("pending", "succeeded"), ("failed", "succeeded"), ("pending", "canceled"))


def test_a_revert_holds(open_shop: OpenShop) -> None:
    """What a person took back is not corrected again by itself."""
    shop = open_shop(**LINKED)
    sweep = corrected(shop, *PAIRS)
    assert shop.run("revert", sweep).code == 0
    before = shop.rows()
    assert shop.statuses() == {1: "pending", 2: "failed", 3: "pending"}
    for kind in ("all", "due", "window"):
        shop.stripe.offset += HOUR
        assert shop.sweep("--kind", kind)["corrected"] == 0
        assert shop.rows() == before
    assert shop.report()["would_correct"] == 0
    shop.assert_sound()


def test_a_reverted_row_has_a_finding(open_shop: OpenShop) -> None:
    """What a person took back is an open finding that says so, by whom and when."""
    shop = open_shop(**LINKED)
    sweep = corrected(shop, *PAIRS)
    days = [datetime.now(UTC).date().isoformat()]
    assert shop.run("revert", sweep).code == 0
    days.append(datetime.now(UTC).date().isoformat())
    shop.stripe.offset += HOUR
    shop.sweep()
    assert shop.reasons() == {str(key): [("missed_outcome", "reverted")] for key in (1, 2, 3)}
    person = shop.report()["asked_by"]
    for one in shop.open():
        evidence = json_text(one["evidence"])
        assert person in evidence
        assert any(day in evidence for day in days)


def test_a_revert_concerns_only_its_rows(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Another row, and the same row with another PaymentIntent, are corrected as ever."""
    shop = open_shop(**LINKED)
    shop.run("revert", corrected(shop, *PAIRS))
    stripe.serve(payment_intent("pi_10"), payment_intent("pi_11", order="o-1"))
    shop.row(10, "pi_10")
    shop.execute("UPDATE payments SET intent = 'pi_11' WHERE id = 1")
    stripe.remove("pi_1", "ch_1")
    stripe.offset = HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "failed", 3: "pending", 10: "paid"}


def test_again_ends_a_revert(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """--again SWEEP makes that sweep's corrections once more, and no others that were taken back."""
    shop = open_shop(**LINKED)
    first = corrected(shop, *PAIRS)
    stripe.serve(payment_intent("pi_10"))
    shop.row(10, "pi_10")
    second = str(shop.sweep()["sweep"])
    shop.run("revert", first)
    shop.run("revert", second)
    stripe.offset = HOUR
    shop.sweep("--again", first)
    assert shop.statuses() == {1: "paid", 2: "paid", 3: "canceled", 10: "pending"}
    assert shop.reasons() == {"10": [("missed_outcome", "reverted")]}
    stripe.offset = 2 * HOUR
    shop.sweep()
    assert shop.statuses()[10] == "pending"
    shop.assert_sound()


def test_reopen_ends_a_revert(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Reopening a finding lets the next sweep correct that row, and only that one."""
    shop = open_shop(**LINKED)
    shop.run("revert", corrected(shop, *PAIRS))
    stripe.offset = HOUR
    shop.sweep()
    ident = next(one["id"] for one in shop.open() if one["payment"] == "2")
    answer = shop.run("reopen", str(ident))
    assert answer.code == 0, answer.err
    stripe.offset = 2 * HOUR
    shop.sweep()
    assert shop.statuses() == {1: "pending", 2: "paid", 3: "pending"}
    shop.assert_sound()


def test_another_outcome_ends_a_revert(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The hold that was taken back is captured: that is another outcome, and it is written."""
    shop = open_shop()
    sweep = corrected(shop, ("pending", "requires_capture"), ("pending", "processing"))
    shop.run("revert", sweep)
    stripe.offset = HOUR
    shop.sweep()
    assert shop.statuses() == {1: "pending", 2: "pending"}
    stripe.serve(payment_intent("pi_1", age=10 * HOUR), payment_intent("pi_2", age=10 * HOUR))
    stripe.offset = 2 * HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "paid"}
    assert shop.open() == []
    shop.assert_sound()
