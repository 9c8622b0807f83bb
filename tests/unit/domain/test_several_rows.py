"""Several rows of one intent are examined together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from tests.unit.domain.samples import (
    AMOUNT,
    NOW,
    charge,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
)
from tests.unit.domain.test_decision_table import EXPECTED
from tests.unit.domain.test_discrepancy_kinds import found_in

KNOWN = [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]
AT_STRIPE = KNOWN[:6]


ENDED = {Outcome.FAILED, Outcome.CANCELED}


def _kind_of(local: Outcome, stripe: Outcome) -> str | None:
    """The kind of finding of one row, if no money went back and nothing is disputed."""
    if local is Outcome.UNKNOWN:
        return "unknown_status"
    if stripe is Outcome.SUCCEEDED and local is Outcome.REFUNDED:
        return "refund_missing"
    if stripe is Outcome.SUCCEEDED and local is Outcome.DISPUTED:
        return "dispute_drift"
    cell = EXPECTED[local.value, stripe.value]
    if cell == "Keep":
        return None
    return "ambiguous_row" if cell == "Correct" else cell.split()[1]


@pytest.mark.parametrize("stripe", AT_STRIPE)
def test_two_rows_that_are_no_attempts_are_never_corrected(stripe: Outcome) -> None:
    """For every pair of local outcomes there is at most one finding, with both keys: an unknown status, or ambiguous_row.

    Without money at Stripe, rows that all say what Stripe says leave no question open.
    """
    for one, other in itertools.product(Outcome, repeat=2):
        if (one in ENDED) != (other in ENDED):
            continue  # an attempt that ended, and the row that goes on
        rows = (payment(one, key="p1"), payment(other, key="p2"))
        decision = decide(match_of(intent_of(stripe), *rows), rules(), NOW)
        outcomes = {one, other}
        agree = all(EXPECTED.get((row.value, stripe.value)) == "Keep" for row in outcomes)
        if Outcome.UNKNOWN in outcomes:
            expected = ["unknown_status"]
        elif agree and stripe not in {Outcome.AUTHORIZED, Outcome.SUCCEEDED}:
            expected = []
        else:
            expected = ["ambiguous_row"]
        assert not isinstance(decision, Correct)
        found = found_in(decision)
        assert [(item.kind.value, item.keys) for item in found] == [
            (kind, ("p1", "p2")) for kind in expected
        ]
        assert isinstance(decision, Flag if expected else Keep)


@pytest.mark.parametrize("stripe", AT_STRIPE)
def test_the_attempt_that_goes_on_is_decided_as_if_it_were_alone(stripe: Outcome) -> None:
    """With a row for each attempt, a failed or canceled row is history and has no finding."""
    for ended, going_on in itertools.product(ENDED, set(Outcome) - ENDED):
        row = payment(going_on, key="p2")
        alone = decide(match_of(intent_of(stripe), row), rules(), NOW)
        beside = decide(match_of(intent_of(stripe), payment(ended), row), rules(), NOW)
        pairs = [
            {(item.kind, item.keys) for item in found_in(one) if not item.kind.is_side}
            for one in (alone, beside)
        ]
        assert pairs[0] == pairs[1]
        assert isinstance(alone, Correct) == isinstance(beside, Correct)


def test_parts_are_corrected_together() -> None:
    """With a row for each part, both are written with Stripe's outcome."""
    parts = (
        payment(Outcome.INCOMPLETE, amount=AMOUNT - 100),
        payment(Outcome.INCOMPLETE, key="p2", amount=100),
    )
    decision = decide(match_of(intent_of(Outcome.SUCCEEDED), *parts), rules(), NOW)
    assert isinstance(decision, Correct)
    assert decision.payments == parts
    assert [item.keys for item in decision.findings] == [("p1", "p2")]


def test_parts_of_another_sum_received_are_a_mismatch() -> None:
    """The sum of the parts is compared with Stripe's amount."""
    parts = (
        payment(Outcome.INCOMPLETE, amount=AMOUNT - 100),
        payment(Outcome.INCOMPLETE, key="p2", amount=100),
    )
    found = _one(*parts, received=AMOUNT - 1)
    assert (found.kind, found.keys, found.stake.amount) == (Kind.AMOUNT_MISMATCH, ("p1", "p2"), 1)


def _one(
    *rows: Payment,
    stripe: Outcome = Outcome.SUCCEEDED,
    contested: bool = False,
    received: int | None = None,
) -> Finding:
    changes = {} if received is None else {"amount_received": received}
    match = match_of(intent_of(stripe, **changes), *rows, contested=contested)
    (found,) = found_in(decide(match, rules(), NOW))
    return found


def test_three_rows_are_one_finding_that_names_them_all() -> None:
    """There is one finding of the kind, with all keys in order and every row's values."""
    found = _one(*(payment(Outcome.CANCELED, key=key) for key in ("p3", "p1", "p2")))
    assert (found.kind, found.keys) == (Kind.AMBIGUOUS_ROW, ("p1", "p2", "p3"))
    rows = found.local["rows"]
    assert isinstance(rows, list)
    assert [row["key"] for row in rows] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("local", "stripe", "severity"),
    [
        (Outcome.INCOMPLETE, Outcome.SUCCEEDED, "critical"),
        (Outcome.SUCCEEDED, Outcome.SUCCEEDED, "warning"),
        (Outcome.SUCCEEDED, Outcome.CANCELED, "critical"),
        (Outcome.REFUNDED, Outcome.AUTHORIZED, "critical"),
        (Outcome.INCOMPLETE, Outcome.CANCELED, "warning"),
        (Outcome.INCOMPLETE, Outcome.AUTHORIZED, "warning"),
    ],
)
def test_ambiguous_rows_are_critical_if_they_say_another_thing_of_the_money(
    local: Outcome, stripe: Outcome, severity: str
) -> None:
    """Money was taken and no row says so, or a row says so and no money was taken."""
    rows = [payment(local, key=key, amount=7) for key in ("p1", "p2")]
    found = _one(*rows, stripe=stripe)
    assert (found.kind, found.severity.value) == (Kind.AMBIGUOUS_ROW, severity)


def test_a_paid_row_without_an_intent_among_several_is_named() -> None:
    """Rows of the order that were paid in another way, beside a paid intent: two payments may be one order's."""
    rows = [payment(Outcome.SUCCEEDED, key=key, payment_intent=None) for key in ("p1", "p2")]
    found = _one(*rows, contested=True)
    assert (found.kind, found.reason) == (Kind.AMBIGUOUS_ROW, Reason.ROW_WITHOUT_INTENT)
    assert (found.severity, found.keys) == (Severity.CRITICAL, ("p1", "p2"))


@pytest.mark.parametrize(
    ("refunded", "agrees"), [(AMOUNT - 100, True), (0, False), (100, False), (AMOUNT, False)]
)
def test_parts_that_say_what_was_refunded_agree(refunded: int, agrees: bool) -> None:
    """Paid and refunded parts add up to what was received, and the refunded ones to what went back."""
    rows = (
        payment(Outcome.SUCCEEDED, amount=100),
        payment(Outcome.REFUNDED, amount=AMOUNT - 100, key="p2"),
    )
    seen = intent_of(Outcome.SUCCEEDED, charge=charge(amount_refunded=refunded))
    decision = decide(match_of(seen, *rows), rules(), NOW)
    assert isinstance(decision, Keep) == agrees


def test_an_ambiguous_row_has_the_values_of_every_row() -> None:
    """The row that agrees is named too, because which row is meant is the question."""
    found = _one(payment(Outcome.SUCCEEDED, key="p2"), payment(Outcome.INCOMPLETE))
    assert (found.kind, found.keys) == (Kind.AMBIGUOUS_ROW, ("p1", "p2"))
    rows = found.local["rows"]
    assert isinstance(rows, list)
    assert [(row["key"], row["outcome"]) for row in rows] == [
        ("p1", "incomplete"),
        ("p2", "succeeded"),
    ]


@pytest.mark.parametrize(
    "change", [{"outcome": Outcome.REFUNDED, "status": "money_back"}, {"key": "p9"}, {"amount": 1}]
)
def test_an_ambiguous_row_is_another_when_any_of_its_rows_changes(
    change: dict[str, Any],
) -> None:
    """Its fingerprint changes with the row that agrees, so that a settled finding reopens."""

    def ambiguous(second: Payment) -> Finding:
        match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE), second)
        found = found_in(decide(match, rules(), NOW))
        return next(item for item in found if item.kind is Kind.AMBIGUOUS_ROW)

    agreeing = payment(Outcome.SUCCEEDED, key="p2")
    assert ambiguous(replace(agreeing, **change)).fingerprint != ambiguous(agreeing).fingerprint


@pytest.mark.parametrize("stripe", [*AT_STRIPE, None])
def test_the_order_of_rows_does_not_matter(stripe: Outcome | None) -> None:
    """The database returns rows in any order, and the findings and every fingerprint are the same."""
    rows = [
        payment(Outcome.INCOMPLETE, key="p1", amount=1),
        payment(Outcome.SUCCEEDED, key="p2", amount=2),
        payment(Outcome.SUCCEEDED, key="p3", amount=3),
        payment(Outcome.CANCELED, key="p4"),
    ]
    seen = missing() if stripe is None else intent_of(stripe)
    decisions = {
        frozenset(
            (found.kind, found.fingerprint, found.severity, found.stake, found.keys)
            for found in found_in(decide(match_of(seen, *order), rules(), NOW))
        )
        for order in itertools.permutations(rows)
    }
    assert len(decisions) == 1


def test_a_contested_match_is_not_corrected() -> None:
    """Two intents name the order, and a person decides to which of them the row belongs."""
    row = payment(Outcome.INCOMPLETE, payment_intent=None)
    found = _one(row, contested=True)
    assert (found.kind, found.keys) == (Kind.AMBIGUOUS_ROW, ("p1",))
    alone = decide(match_of(intent_of(Outcome.SUCCEEDED), row), rules(), NOW)
    assert isinstance(alone, Correct)
    assert alone.payment is row


@pytest.mark.parametrize("stripe", AT_STRIPE)
def test_a_contested_match_matters_only_for_a_correction(stripe: Outcome) -> None:
    """If the table says keep or flag, the decision is the same."""
    for local in KNOWN:
        match = match_of(intent_of(stripe), payment(local), contested=True)
        kinds = [found.kind.value for found in found_in(decide(match, rules(), NOW))]
        expected = _kind_of(local, stripe)
        assert kinds == ([] if expected is None else [expected])


def test_a_404_of_a_paid_row_is_critical_beside_a_row_of_unknown_status() -> None:
    """The unknown row makes a finding of its own, so that it does not hide the paid one."""
    rows = (payment(Outcome.UNKNOWN, key="p1", amount=1), payment(Outcome.SUCCEEDED, key="p2"))
    found = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert {(item.kind, item.severity, item.keys, item.stake.amount) for item in found} == {
        (Kind.UNKNOWN_STATUS, Severity.WARNING, ("p1",), 1),
        (Kind.MISSING_AT_STRIPE, Severity.CRITICAL, ("p2",), AMOUNT),
    }


def test_several_rows_of_a_missing_intent_are_one_finding() -> None:
    """The finding names all rows that hold the id, and it is critical if one of them is paid."""
    rows = (payment(Outcome.INCOMPLETE), payment(Outcome.SUCCEEDED, key="p2"))
    (found,) = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert (found.kind, found.severity) == (Kind.MISSING_AT_STRIPE, Severity.CRITICAL)
    assert found.keys == ("p1", "p2")


def test_the_money_at_stake_of_a_404_is_that_of_the_paid_row() -> None:
    """The row that makes the finding critical decides the money at stake."""
    rows = (payment(Outcome.INCOMPLETE, amount=1), payment(Outcome.SUCCEEDED, key="p2"))
    (found,) = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert found.stake.amount == AMOUNT


def test_an_ambiguous_row_names_each_row_once() -> None:
    """Three rows that would each be corrected make one finding with three rows."""
    found = _one(*(payment(Outcome.INCOMPLETE, key=key) for key in ("p2", "p3", "p1")))
    rows = found.local["rows"]
    assert isinstance(rows, list)
    assert [row["key"] for row in rows] == ["p1", "p2", "p3"]
    assert found.keys == ("p1", "p2", "p3")


def test_a_row_of_an_earlier_charge_is_not_corrected() -> None:
    """The intent was paid by its latest charge, also if that is known only from an answer that came later."""
    row = payment(Outcome.INCOMPLETE, stored_id="ch_0")
    assert _one(row).kind is Kind.AMBIGUOUS_ROW
    latest = decide(
        match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE, stored_id="ch_1")),
        rules(),
        NOW,
    )
    assert isinstance(latest, Correct)
