"""An open discrepancy comes before a decision that knows less; a decision that knows more stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.next_step import NextStep
from reconciler.engine.actions.explain import Explanation
from reconciler.engine.actions.explained_records import discrepancy_text, with_records, worst_open
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from tests.unit.domain.samples import NOW, intent_of, match_of, payment, rules
from tests.unit.domain.test_queue import OPEN

LOST = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
OWN = NextStep("the decision's")
PAID_BY_OTHER = replace(
    OPEN,
    id=8,
    kind=Kind.PAID_BY_OTHER_INTENT,
    severity=Severity.CRITICAL,
    state=State.OPEN,
    payment_intent="pi_1",
    reason=None,
    evidence={"paying_intent": "pi_2"},
)
OVERDUE = replace(PAID_BY_OTHER, id=7, kind=Kind.OVERDUE, evidence={})
REGRESSED = replace(PAID_BY_OTHER, id=9, kind=Kind.REGRESSED, evidence={})


def explanation(decision: Decision) -> Explanation:
    return Explanation(LOST, (), (), (), decision, "Both sides agree.", OWN, None, NOW)


def step(decision: Decision, *stored: object) -> str | None:
    local = LocalSide(NamedPayment((), "eu", "pi_1"), stored)  # type: ignore[arg-type]
    return with_records(explanation(decision), local, "eu").next_step.command


@pytest.mark.parametrize(
    "decision", [Keep(), Wait(NOW + timedelta(minutes=2), "young"), decide(LOST, rules(), NOW)]
)
def test_an_order_that_was_paid_otherwise_always_comes_first(decision: Decision) -> None:
    """Also before a wait and before a correction, and the command names the account if there are several."""
    command = "reconciler resolve 8 --accept stripe --note TEXT --account eu"
    assert step(decision, OVERDUE, PAID_BY_OTHER) == command


def test_another_open_discrepancy_comes_before_agreement_alone() -> None:
    """A correction or a wait is newer than what is stored."""
    assert (
        step(Keep(), REGRESSED) == "reconciler resolve 9 --accept stripe --note TEXT --account eu"
    )
    for decision in (Wait(NOW + timedelta(minutes=2), "young"), decide(LOST, rules(), NOW)):
        assert step(decision, REGRESSED) is None


def test_the_decision_is_that_of_the_discrepancy_that_comes_first() -> None:
    """Its finding stands before those that both sides show now; a correction is still what a sweep would do."""
    local = LocalSide(NamedPayment((), "eu", "pi_1"), (PAID_BY_OTHER,))
    lost = decide(LOST, rules(), NOW)
    assert isinstance(lost, Correct)
    overdue = replace(lost.findings[0], kind=Kind.OVERDUE)
    for decision, kinds in (
        (Keep(), ["paid_by_other_intent"]),
        (Wait(NOW + timedelta(minutes=2), "young"), ["paid_by_other_intent"]),
        (Flag((overdue,)), ["paid_by_other_intent", "overdue"]),
        (Flag((PAID_BY_OTHER.finding,)), ["paid_by_other_intent"]),
    ):
        found = with_records(explanation(decision), local, "eu")
        assert isinstance(found.decision, Flag)
        assert [one.kind for one in found.decision.findings] == kinds
        assert found.standing is PAID_BY_OTHER
    found = with_records(explanation(lost), local, "eu")
    assert (found.decision, found.standing) == (lost, PAID_BY_OTHER)


def test_what_only_a_sweep_has_to_close_is_not_accepted() -> None:
    """Both sides of the same row and intent agree again. What another examination saw is not ended by that."""
    ended = replace(REGRESSED, keys=("p1",))
    found = with_records(
        explanation(Keep()), LocalSide(NamedPayment((), "eu", "pi_1"), (ended,)), "eu"
    )
    assert (found.decision, found.standing) == (Keep(), None)
    assert found.next_step.command == (
        "reconciler sweep --record --payment-intent pi_1 --account eu"
    )
    assert "discrepancy 9 is still open" in found.rule
    resolve = "reconciler resolve 9 --accept stripe --note TEXT --account eu"
    for other in ({"payment_intent": "pi_7"}, {"keys": ("p1", "2")}, {"keys": ()}):
        assert step(Keep(), replace(ended, **other)) == resolve  # type: ignore[arg-type]
    both = replace(ended, id=10)
    local = LocalSide(NamedPayment((), "eu", "pi_1"), (ended, both))
    assert (
        "discrepancies 9, 10 are still open" in with_records(explanation(Keep()), local, None).rule
    )


def test_what_is_not_open_changes_nothing() -> None:
    """A settled discrepancy is history."""
    assert step(Keep(), replace(PAID_BY_OTHER, state=State.RESOLVED)) is None


def test_the_worst_is_settled_first() -> None:
    """What a payment is about comes before what stands beside it, then the severity, then the older one."""
    info = replace(REGRESSED, id=3, severity=Severity.INFO)
    assert worst_open([OVERDUE, info, REGRESSED, PAID_BY_OTHER]) is PAID_BY_OTHER
    assert worst_open([OVERDUE, info]) is info
    assert worst_open([]) is None


def test_the_text_names_the_rows() -> None:
    """Rows, order and money; of an order that was paid otherwise also who paid."""
    text = discrepancy_text(replace(REGRESSED, keys=("1",), order="977"))
    assert text.startswith("Discrepancy 9 (regressed, critical) of row 1, order 977 is open: ")
    assert "pi_2 has paid the order" in discrepancy_text(PAID_BY_OTHER)
