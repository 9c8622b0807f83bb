"""Several rows that hold one intent are attempts, parts, or a question for a person."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import NEGATIVE, Outcome
from reconciler.domain.rules.comparison import (
    RowsRelation,
    parts_agree_with_refund,
    rows_of_intent,
)
from tests.unit.domain.samples import AMOUNT, intent_of, payment

PAID = intent_of(Outcome.SUCCEEDED)


def rows(*outcomes: Outcome, **changes: object) -> list[Payment]:
    return [payment(outcome, key=f"p{n}", **changes) for n, outcome in enumerate(outcomes)]


def parts(*amounts: int | None, outcome: Outcome = Outcome.INCOMPLETE) -> list[Payment]:
    return [payment(outcome, key=f"p{n}", amount=amount) for n, amount in enumerate(amounts)]


def test_one_row_is_compared_as_it_is() -> None:
    """The usual case."""
    [row] = rows(Outcome.INCOMPLETE)
    found = rows_of_intent([row], PAID)
    assert (found.relation, found.compared, found.as_one) == (RowsRelation.SINGLE, (row,), row)


@pytest.mark.parametrize(
    "going_on", [one for one in Outcome if one not in {Outcome.FAILED, Outcome.CANCELED}]
)
@pytest.mark.parametrize("ended", [Outcome.FAILED, Outcome.CANCELED])
def test_a_row_for_each_attempt(ended: Outcome, going_on: Outcome) -> None:
    """Attempts that failed are left alone if exactly one other row remains: that row is compared."""
    first, second, last = rows(ended, ended, going_on)
    found = rows_of_intent([first, second, last], PAID)
    assert (found.relation, found.compared, found.as_one) == (RowsRelation.SINGLE, (last,), last)


@pytest.mark.parametrize(
    "changes", [{"amount": 1}, {"currency": "usd"}, {"order": "another"}], ids=str
)
def test_attempts_are_alike(changes: dict[str, object]) -> None:
    """Another amount, currency or order is no attempt at the same payment."""
    [failed] = rows(Outcome.FAILED, **changes)
    found = rows_of_intent([failed, payment(Outcome.INCOMPLETE, key="p9")], PAID)
    assert found.relation is RowsRelation.UNEXPLAINED


def test_two_rows_that_go_on_are_not_explained() -> None:
    """Which of two open rows is meant is a person's question."""
    found = rows_of_intent(rows(Outcome.INCOMPLETE, Outcome.INCOMPLETE, Outcome.FAILED), PAID)
    assert found.relation is RowsRelation.UNEXPLAINED


def test_a_row_for_each_part() -> None:
    """Rows of one outcome that add up to the intent's amount stand as one payment of their sum."""
    held = parts(AMOUNT - 100, 100)
    found = rows_of_intent(held, PAID)
    assert (found.relation, found.compared) == (RowsRelation.PARTS, tuple(held))
    assert (found.as_one.amount, found.as_one.outcome) == (AMOUNT, Outcome.INCOMPLETE)


@pytest.mark.parametrize(
    "amounts",
    [(AMOUNT, AMOUNT), (AMOUNT - 1, 2), (AMOUNT, 0), (AMOUNT + 5, -5), (AMOUNT, None)],
    ids=str,
)
def test_parts_add_up_from_positive_amounts(amounts: tuple[int | None, ...]) -> None:
    """A sum that only fits by a negative, an empty or a missing amount explains nothing."""
    assert rows_of_intent(parts(*amounts), PAID).relation is RowsRelation.UNEXPLAINED


def test_parts_have_one_outcome_and_one_currency() -> None:
    """A half-paid order is no whole payment."""
    one, other = parts(AMOUNT - 100, 100)
    mixed = [one, payment(Outcome.PROCESSING, key="p1", amount=100)]
    assert rows_of_intent(mixed, PAID).relation is RowsRelation.UNEXPLAINED
    foreign = [one, payment(Outcome.INCOMPLETE, key="p1", amount=100, currency="usd")]
    assert rows_of_intent(foreign, PAID).relation is RowsRelation.UNEXPLAINED
    assert rows_of_intent([one, other], PAID).relation is RowsRelation.PARTS


@pytest.mark.parametrize("outcomes", list(combinations_with_replacement(Outcome, 2)), ids=str)
def test_every_pair_has_one_relation(outcomes: tuple[Outcome, Outcome]) -> None:
    """No pair of outcomes fails, and nothing is compared that was not given."""
    given = rows(*outcomes)
    found = rows_of_intent(given, PAID)
    assert set(found.compared) <= set(given)
    left_alone = set(given) - set(found.compared)
    assert {row.outcome for row in left_alone} <= NEGATIVE or (
        found.relation is RowsRelation.UNEXPLAINED
    )


def test_parts_that_were_refunded_in_part() -> None:
    """Parts of which some read paid and some refunded agree with what Stripe received and gave back."""
    paid = payment(Outcome.SUCCEEDED, key="p0", amount=AMOUNT - 100)
    back = payment(Outcome.REFUNDED, key="p1", amount=100)
    assert parts_agree_with_refund([paid, back], AMOUNT, 100)
    assert not parts_agree_with_refund([paid, back], AMOUNT, 99)
    assert not parts_agree_with_refund([paid, back], AMOUNT + 1, 100)
    assert not parts_agree_with_refund([paid], AMOUNT - 100, 0)
    assert not parts_agree_with_refund(
        [paid, payment(Outcome.REFUNDED, key="p1", amount=None)], AMOUNT, 100
    )
    assert not parts_agree_with_refund(
        [paid, payment(Outcome.REFUNDED, key="p1", amount=100, currency="usd")], AMOUNT, 100
    )
