"""What happened to the rows of a page between the load and the lock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.domain.model.match import Match
from reconciler.domain.outcome import Outcome
from reconciler.engine.page.decided_page import as_they_are_now, row_changes
from tests.unit.domain.samples import intent, payment

PAID = payment(Outcome.SUCCEEDED, key="")
OTHER = payment(Outcome.SUCCEEDED, key="", payment_intent="pi_2")
ROWS = (PAID, OTHER)
MATCHES = (
    Match("default", intent("canceled"), (PAID,)),
    Match("default", intent("canceled", id="pi_2"), (OTHER,)),
)


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]])
def test_rows_without_a_key_are_two_rows(rows: tuple) -> None:
    """Neither of two rows without a key on one page has changed."""
    assert row_changes(MATCHES, rows).changed == frozenset()
    current, gone = as_they_are_now(MATCHES, rows, frozenset())
    assert [match.payments for match in current] == [(PAID,), (OTHER,)]
    assert gone == []


def test_one_of_the_rows_without_a_key_has_changed() -> None:
    """The other one is still as it was."""
    now = (replace(PAID, status="refunded"), OTHER)
    assert row_changes(MATCHES, now).changed == {"pi_1"}


def test_a_row_of_another_order_with_the_same_key_is_not_taken() -> None:
    """A key that is not unique names rows of two orders, and each match keeps its own."""
    one, two = (
        payment(Outcome.INCOMPLETE, payment_intent=None, order=name) for name in ("o1", "o2")
    )
    match = Match("default", intent("succeeded"), (one,), order="o1")
    for rows in ((one, two), (two, one)):
        ((current,), _) = as_they_are_now((match,), rows, frozenset())
        assert current.payments == (one,)
