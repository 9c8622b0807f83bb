"""Which of several findings a person settles first."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.rules.leading_finding import first_to_settle, number_to_settle, rank
from tests.unit.domain.test_queue import OPEN

TWICE = replace(OPEN, id=8, kind=Kind.DUPLICATE_PAYMENT)
MISSING = replace(OPEN, id=9, kind=Kind.MISSING_LOCALLY)
REFUND = replace(OPEN, id=10, kind=Kind.REFUND_DRIFT)


def test_a_second_payment_comes_before_its_missing_row() -> None:
    """No person looks for the order of a payment whose order is known to have been paid twice."""
    assert first_to_settle([MISSING, REFUND, TWICE]) == (REFUND, TWICE)
    assert first_to_settle([MISSING, REFUND]) == (MISSING, REFUND)
    assert rank(Kind.REFUND_DRIFT, Severity.INFO) > rank(Kind.OVERDUE, Severity.CRITICAL)


def test_the_missing_row_of_a_settled_second_payment_is_settled_too() -> None:
    """Once the double payment has no open number, its missing row has."""
    both = {Kind.DUPLICATE_PAYMENT: 8, Kind.MISSING_LOCALLY: 9}
    assert number_to_settle(Kind.DUPLICATE_PAYMENT, both) == 8
    assert number_to_settle(Kind.DUPLICATE_PAYMENT, {Kind.MISSING_LOCALLY: 9}) == 9
    assert number_to_settle(Kind.OVERDUE, both) is None
