"""What blocks a correction: the first blocker that applies decides the kind of the finding."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from tests.unit.domain.samples import (
    AMOUNT,
    LOCAL_STATUS,
    NOW,
    WRITTEN,
    charge,
    intent_of,
    match_of,
    payment,
    rules,
)

CORRECTIONS = [
    *itertools.product(
        ["incomplete"], ["failed", "processing", "authorized", "succeeded", "canceled"]
    ),
    *itertools.product(["failed"], ["processing", "authorized", "succeeded", "canceled"]),
    *itertools.product(["processing"], ["failed", "authorized", "succeeded", "canceled"]),
    *itertools.product(["authorized"], ["succeeded", "canceled"]),
]
"""The pairs for which the decision table says Correct."""

OTHER_AMOUNT = AMOUNT - 300
RECEIVED = 1500
REFUNDED = 700


@dataclass(frozen=True)
class Circumstances:
    """What may be unusual about a payment. Every combination is tried."""

    currency: str
    disputed: bool
    refund: str
    collected: bool
    amount: int | None
    rows: str
    writable: bool


ALL = [
    Circumstances(*values)
    for values in itertools.product(
        ["same", "other", "null"],
        [False, True],
        ["none", "part", "full"],
        [False, True],
        [AMOUNT, OTHER_AMOUNT, None],
        ["one", "two", "contested"],
        [True, False],
    )
]


def _intent(stripe: Outcome, odd: Circumstances) -> Intent:
    refunded = {"none": 0, "part": REFUNDED, "full": AMOUNT}[odd.refund]
    changes: dict[str, Any] = {}
    if stripe in {Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.CANCELED, Outcome.FAILED}:
        changes["charge"] = charge(
            disputed=odd.disputed, amount_refunded=refunded, refunded=odd.refund == "full"
        )
    if odd.collected and stripe is not Outcome.SUCCEEDED:
        changes["amount_received"] = RECEIVED
    return intent_of(stripe, **changes)


def _rows(local: Outcome, odd: Circumstances) -> tuple[Payment, ...]:
    currency = {"same": "eur", "other": "usd", "null": None}[odd.currency]
    row = payment(local, amount=odd.amount, currency=currency)
    return (row, replace(row, key="p2")) if odd.rows == "two" else (row,)


def _expected(stripe: str, odd: Circumstances) -> tuple[str, str | None, str, int]:
    """Kind, reason, severity and money at stake, by the documented order of the blockers."""
    local = odd.amount or 0
    to_succeeded, to_authorized, to_canceled = (
        stripe == name for name in ("succeeded", "authorized", "canceled")
    )
    asked_or_received = AMOUNT if to_succeeded or not odd.collected else RECEIVED
    refunded = {"none": 0, "part": REFUNDED, "full": AMOUNT}[odd.refund]
    # critical only if money was taken and no row says so
    ambiguity = "critical" if to_succeeded or odd.collected else "warning"
    in_order = [
        # rows that nothing explains are not compared one by one
        (odd.rows == "two", ("ambiguous_row", None, ambiguity, AMOUNT)),
        (odd.currency != "same", ("currency_mismatch", None, "warning", asked_or_received)),
        (to_succeeded and odd.disputed, ("dispute_drift", None, "critical", AMOUNT)),
        (to_succeeded and refunded > 0, ("refund_drift", None, "critical", refunded)),
        (to_authorized and odd.collected, ("partially_captured", None, "warning", RECEIVED)),
        (
            (to_succeeded or to_authorized) and odd.amount != AMOUNT,
            ("amount_mismatch", None, "warning", AMOUNT - local),
        ),
        (to_canceled and odd.collected, ("amount_mismatch", None, "warning", RECEIVED)),
        (odd.rows == "contested", ("ambiguous_row", None, ambiguity, AMOUNT)),
        (not odd.writable, ("missed_outcome", "no_local_value", "warning", AMOUNT)),
        (True, ("missed_outcome", None, "warning", AMOUNT)),
    ]
    return next(verdict for holds, verdict in in_order if holds)


@pytest.mark.parametrize(("local", "stripe"), CORRECTIONS)
def test_the_first_blocker_that_applies_decides(local: str, stripe: str) -> None:
    """Every combination of unusual facts is tried for every pair that says Correct."""
    for odd in ALL:
        write = {} if not odd.writable else WRITTEN
        read = {status: outcome for outcome, status in LOCAL_STATUS.items()}
        under = rules(statuses=StatusMap(read, write))
        rows = _rows(Outcome(local), odd)
        match = match_of(_intent(Outcome(stripe), odd), *rows, contested=odd.rows == "contested")
        decision = decide(match, under, NOW)
        assert isinstance(decision, (Correct, Flag)), odd
        (found,) = decision.findings
        got = (found.kind.value, found.reason, found.severity.value, found.stake.amount)
        expected = _expected(stripe, odd)
        assert got == expected, odd
        assert isinstance(decision, Correct) == (expected[:2] == ("missed_outcome", None)), odd
        assert found.stake.currency == "eur"
        assert found.keys == (("p1", "p2") if odd.rows == "two" else ("p1",))


@pytest.mark.parametrize("received", [0, 1, AMOUNT - 1, AMOUNT + 1, 2 * AMOUNT])
def test_only_exactly_the_amount_of_the_row_pays_it(received: int) -> None:
    """One cent less or more than the row asks for is an amount_mismatch, and so is zero."""
    decision = decide(
        match_of(
            intent_of(Outcome.SUCCEEDED, amount_received=received), payment(Outcome.INCOMPLETE)
        ),
        rules(),
        NOW,
    )
    assert isinstance(decision, Flag)
    assert decision.findings[0].kind == "amount_mismatch"
    assert decision.findings[0].stake.amount == abs(AMOUNT - received)


def test_a_partial_capture_is_compared_by_what_was_received() -> None:
    """A row with the captured amount is corrected, and a row with the amount that was asked for is not."""
    captured = intent_of(Outcome.SUCCEEDED, amount_received=1000)
    right = decide(match_of(captured, payment(Outcome.AUTHORIZED, amount=1000)), rules(), NOW)
    assert isinstance(right, Correct)
    wrong = decide(match_of(captured, payment(Outcome.AUTHORIZED)), rules(), NOW)
    assert isinstance(wrong, Flag)


def test_only_an_amount_says_that_money_went_back() -> None:
    """``refunded`` alone is no refund: before the API version basil a cancellation set it too."""
    seen = intent_of(Outcome.SUCCEEDED, charge=charge(refunded=True, amount_refunded=0))
    decision = decide(match_of(seen, payment(Outcome.INCOMPLETE)), rules(), NOW)
    assert isinstance(decision, Correct)


@pytest.mark.parametrize("stripe", ["processing", "failed", "authorized", "canceled"])
def test_refunds_and_disputes_block_only_a_correction_to_succeeded(stripe: str) -> None:
    """The charge of an earlier attempt says nothing about an intent that is not paid."""
    odd = charge(disputed=True, refunded=True, amount_refunded=AMOUNT)
    decision = decide(
        match_of(intent_of(Outcome(stripe), charge=odd), payment(Outcome.INCOMPLETE)), rules(), NOW
    )
    assert isinstance(decision, Correct)


@pytest.mark.parametrize(
    ("stripe", "kind"), [("authorized", "partially_captured"), ("canceled", "amount_mismatch")]
)
def test_a_single_received_cent_blocks(stripe: str, kind: str) -> None:
    """Every received amount above 0 counts."""
    seen = intent_of(Outcome(stripe), amount_received=1)
    decision = decide(match_of(seen, payment(Outcome.INCOMPLETE)), rules(), NOW)
    assert isinstance(decision, Flag)
    assert (decision.findings[0].kind.value, decision.findings[0].stake.amount) == (kind, 1)


def test_an_intent_that_cannot_be_written_is_not_linked() -> None:
    """A row that was found by its order stays without its intent if that is an SQL text, and a person decides."""
    row = payment(Outcome.INCOMPLETE, payment_intent=None)
    match = match_of(intent_of(Outcome.SUCCEEDED), row)
    assert isinstance(decide(match, rules(), NOW), Correct)
    (found,) = decide(match, rules(writes_intent=False), NOW).findings
    assert (found.kind, found.reason) == ("missed_outcome", "intent_not_writable")


@pytest.mark.parametrize("stripe", [Outcome.FAILED, Outcome.CANCELED])
def test_a_kept_outcome_agrees_only_with_rows_that_ended_or_never_began(stripe: Outcome) -> None:
    """A shop without a word for failed keeps such rows; one that waits for money is still a finding."""
    read = {status: outcome for outcome, status in LOCAL_STATUS.items()}
    under = rules(statuses=StatusMap(read, {}, frozenset({stripe})))
    for local in (Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING, Outcome.AUTHORIZED):
        if (local, stripe) == (Outcome.AUTHORIZED, Outcome.FAILED):
            continue  # this pair is regressed
        decision = decide(match_of(intent_of(stripe), payment(local)), under, NOW)
        if local in (Outcome.INCOMPLETE, Outcome.FAILED):
            assert isinstance(decision, Keep)
        else:
            (found,) = decision.findings
            assert (found.kind, found.reason) == ("missed_outcome", "kept")


def test_money_comes_before_keeping() -> None:
    """A canceled intent that received money is no row to keep."""
    read = {status: outcome for outcome, status in LOCAL_STATUS.items()}
    under = rules(statuses=StatusMap(read, {}, frozenset({Outcome.CANCELED})))
    intent = intent_of(Outcome.CANCELED, amount_received=RECEIVED)
    (found,) = decide(match_of(intent, payment(Outcome.INCOMPLETE)), under, NOW).findings
    assert found.kind == "amount_mismatch"
