"""Rows that hold one intent are examined together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from tests.unit.domain.samples import AMOUNT, NOW, intent_of, match_of, missing, payment, rules
from tests.unit.domain.test_decision_table import EXPECTED
from tests.unit.domain.test_discrepancy_kinds import found_in

KNOWN = [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]
AT_STRIPE = KNOWN[:6]


ENDED = {Outcome.FAILED, Outcome.CANCELED}


def _kind_of(local: Outcome, stripe: Outcome) -> str | None:
    """What a row that says this has to say to a payment of which nothing was given back and nothing is disputed."""
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
    """Every pair of local outcomes that hold one intent: what would be a correction is ambiguous_row, once, with both keys."""
    for one, other in itertools.product(Outcome, repeat=2):
        if (one in ENDED) != (other in ENDED):
            continue  # an attempt that ended, and the row that goes on
        rows = (payment(one, key="p1"), payment(other, key="p2"))
        decision = decide(match_of(intent_of(stripe), *rows), rules(), NOW)
        expected: dict[str, set[str]] = {}
        for row in rows:
            kind = _kind_of(row.outcome, stripe)
            if kind is not None:
                expected.setdefault(kind, set()).add(row.key)
        if "ambiguous_row" in expected:
            expected["ambiguous_row"] = {"p1", "p2"}
        assert not isinstance(decision, Correct)
        found = found_in(decision)
        assert {item.kind.value: set(item.keys) for item in found} == expected
        assert len(found) == len(expected)
        assert isinstance(decision, Flag if expected else Keep)


@pytest.mark.parametrize("stripe", AT_STRIPE)
def test_the_attempt_that_goes_on_is_decided_as_if_it_were_alone(stripe: Outcome) -> None:
    """A row for each attempt: the failed and the canceled one are history, and say nothing."""
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
    """A row for each part: both are written, each with the whole outcome."""
    parts = (
        payment(Outcome.INCOMPLETE, amount=AMOUNT - 100),
        payment(Outcome.INCOMPLETE, key="p2", amount=100),
    )
    decision = decide(match_of(intent_of(Outcome.SUCCEEDED), *parts), rules(), NOW)
    assert isinstance(decision, Correct)
    assert decision.payments == parts
    assert [item.keys for item in decision.findings] == [("p1", "p2")]


def test_parts_of_another_sum_received_are_a_mismatch() -> None:
    """All conditions hold of the sum."""
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
    """One finding a kind, with all keys in order and every row's values."""
    found = _one(*(payment(Outcome.CANCELED, key=key) for key in ("p3", "p1", "p2")))
    assert (found.kind, found.keys) == (Kind.PAID_AFTER_CANCEL, ("p1", "p2", "p3"))
    rows = found.local["rows"]
    assert isinstance(rows, list)
    assert [row["key"] for row in rows] == ["p1", "p2", "p3"]


def test_the_severest_row_speaks_for_all() -> None:
    """An open row and a paid one of another amount: the finding is as critical as the paid row makes it."""
    found = _one(
        payment(Outcome.INCOMPLETE, amount=1), payment(Outcome.SUCCEEDED, key="p2", amount=2)
    )
    assert (found.kind, found.severity) == (Kind.AMOUNT_MISMATCH, Severity.CRITICAL)
    assert found.stake.amount == AMOUNT - 2


def test_an_ambiguous_row_has_the_values_of_every_row() -> None:
    """Also those of the row that agrees: which of the two is meant is the question."""
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
    """What a person has settled comes up again when the row that agreed is another now."""

    def ambiguous(second: Payment) -> Finding:
        match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE), second)
        found = found_in(decide(match, rules(), NOW))
        return next(item for item in found if item.kind is Kind.AMBIGUOUS_ROW)

    agreeing = payment(Outcome.SUCCEEDED, key="p2")
    assert ambiguous(replace(agreeing, **change)).fingerprint != ambiguous(agreeing).fingerprint


@pytest.mark.parametrize("stripe", [*AT_STRIPE, None])
def test_the_order_of_rows_does_not_matter(stripe: Outcome | None) -> None:
    """A database gives rows in any order: findings and their fingerprints are the same."""
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


def test_a_link_that_is_contested_writes_to_no_row() -> None:
    """Two intents name one order: which of them the row belongs to is for a person to say."""
    row = payment(Outcome.INCOMPLETE, payment_intent=None)
    found = _one(row, contested=True)
    assert (found.kind, found.keys) == (Kind.AMBIGUOUS_ROW, ("p1",))
    alone = decide(match_of(intent_of(Outcome.SUCCEEDED), row), rules(), NOW)
    assert isinstance(alone, Correct)
    assert alone.payment is row


@pytest.mark.parametrize("stripe", AT_STRIPE)
def test_a_contested_link_matters_only_where_a_row_would_be_written(stripe: Outcome) -> None:
    """Where the table keeps or flags, the contest changes nothing."""
    for local in KNOWN:
        match = match_of(intent_of(stripe), payment(local), contested=True)
        kinds = [found.kind.value for found in found_in(decide(match, rules(), NOW))]
        expected = _kind_of(local, stripe)
        assert kinds == ([] if expected is None else [expected])


def test_a_404_of_a_paid_row_is_critical_beside_a_row_that_cannot_be_read() -> None:
    """An unmapped second row must not hide that a paid one has no payment at Stripe."""
    rows = (payment(Outcome.UNKNOWN, key="p1", amount=1), payment(Outcome.SUCCEEDED, key="p2"))
    found = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert {(item.kind, item.severity, item.keys, item.stake.amount) for item in found} == {
        (Kind.UNKNOWN_STATUS, Severity.WARNING, ("p1",), 1),
        (Kind.MISSING_AT_STRIPE, Severity.CRITICAL, ("p2",), AMOUNT),
    }


def test_several_rows_without_an_intent_are_one_finding() -> None:
    """A 404 names all rows that hold the id, and is critical if one of them is paid."""
    rows = (payment(Outcome.INCOMPLETE), payment(Outcome.SUCCEEDED, key="p2"))
    (found,) = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert (found.kind, found.severity) == (Kind.MISSING_AT_STRIPE, Severity.CRITICAL)
    assert found.keys == ("p1", "p2")


def test_the_money_at_stake_of_a_404_is_that_of_the_paid_row() -> None:
    """The row that makes the finding critical says how much is at stake."""
    rows = (payment(Outcome.INCOMPLETE, amount=1), payment(Outcome.SUCCEEDED, key="p2"))
    (found,) = found_in(decide(match_of(missing(), *rows), rules(), NOW))
    assert found.stake.amount == AMOUNT


def test_an_ambiguous_row_names_each_row_once() -> None:
    """Three rows that would each be corrected are three rows, not nine."""
    found = _one(*(payment(Outcome.INCOMPLETE, key=key) for key in ("p2", "p3", "p1")))
    rows = found.local["rows"]
    assert isinstance(rows, list)
    assert [row["key"] for row in rows] == ["p1", "p2", "p3"]
    assert found.keys == ("p1", "p2", "p3")
