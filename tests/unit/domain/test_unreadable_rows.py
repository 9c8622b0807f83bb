"""A row for which an SQL text of the mapping fails is a finding, and is never written."""

from __future__ import annotations

import pytest

from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Flag, decide
from tests.unit.domain.samples import NOW, intent_of, match_of, payment, rules


@pytest.mark.parametrize("at_stripe", list(Outcome)[:6])
def test_nothing_is_known_of_an_unreadable_row(at_stripe: Outcome) -> None:
    """For each outcome at Stripe, the finding names the text that fails."""
    row = payment(Outcome.UNKNOWN, unreadable="amount", amount=None)
    decision = decide(match_of(intent_of(at_stripe), row), rules(), NOW)
    assert isinstance(decision, Flag)
    found = decision.findings[0]
    assert (found.kind, found.reason) == (Kind.UNKNOWN_STATUS, Reason.NOT_READABLE)
    assert found.evidence["text"] == "payments.amount"


def test_one_unreadable_row_keeps_the_others_of_its_intent() -> None:
    """Rows that hold one intent are examined together."""
    rows = (
        payment(Outcome.INCOMPLETE),
        payment(Outcome.UNKNOWN, key="p2", unreadable="where"),
        payment(Outcome.UNKNOWN, key="p3", unreadable="amount"),
    )
    decision = decide(match_of(intent_of(Outcome.SUCCEEDED), *rows), rules(), NOW)
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.NOT_READABLE
    assert decision.findings[0].evidence["text"] == "payments.amount, payments.where"
