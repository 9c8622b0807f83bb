"""A second payment of the order comes before agreement, and after a verdict about the row itself."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from reconciler.engine.actions.explained_records import with_records
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from tests.unit.domain.samples import NOW, rules
from tests.unit.engine.test_explained_records import LOST, REGRESSED, explanation

TWICE = replace(
    REGRESSED,
    id=8,
    kind=Kind.DUPLICATE_PAYMENT,
    severity=Severity.CRITICAL,
    payment_intent="pi_2",
    keys=(),
    local={"order": "SO-1"},
    evidence={"also_paid_by": "pi_1", "also_paid_key": "1"},
)
LOCAL = LocalSide(NamedPayment((), "eu", "pi_1"), of_order=(TWICE,))


def test_agreement_alone_does_not_hide_it() -> None:
    """The step is to refund one of them, and to resolve the number."""
    found = with_records(explanation(Keep()), LOCAL, "eu")
    assert found.standing is TWICE
    assert isinstance(found.decision, Flag)
    assert found.next_step.command == "reconciler resolve 8 --note TEXT --account eu"
    assert "by pi_1 (row 1) and by pi_2 (no row)" in found.rule


def test_a_verdict_about_the_row_stays_the_first_step() -> None:
    """Its text names the second payment besides."""
    for decision in (decide(LOST, rules(), NOW), Flag((REGRESSED.finding,))):
        found = with_records(explanation(decision), LOCAL, "eu")
        assert found.decision == decision
        assert "was paid twice" in found.next_step.text
        assert "Discrepancy 8 is open." in found.next_step.text
    assert isinstance(decide(LOST, rules(), NOW), Correct)


def test_what_else_is_open_of_the_order_is_named() -> None:
    """The payment agrees; another payment of the order does not."""
    other = replace(REGRESSED, payment_intent="pi_3")
    local = LocalSide(NamedPayment((), "eu", "pi_1"), of_order=(other,))
    found = with_records(explanation(Keep()), local, "eu")
    assert "Discrepancy 9 (regressed" in found.next_step.text
    assert found.next_step.command == "reconciler explain --discrepancy 9"


def test_what_a_person_has_settled_is_not_settled_again() -> None:
    """Both sides say the same as when the person settled it; other values are a new finding."""
    settled = replace(
        TWICE, state=State.RESOLVED, resolved_by="kim", fingerprint=TWICE.finding.fingerprint
    )
    local = replace(LOCAL, of_order=(settled,))
    found = with_records(explanation(Flag((TWICE.finding,))), local, "eu")
    assert found.next_step.text.startswith("Nothing: kim has settled discrepancy 8,")
    changed = replace(TWICE, local={"order": "SO-2"})
    other = with_records(explanation(Flag((changed.finding,))), local, "eu")
    assert other.next_step.text == "the decision's"
