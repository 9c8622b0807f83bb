"""An order that was paid twice: once a pair, on the later-created intent."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Finding, Kind
from reconciler.domain.model.match import Match, PaidSibling
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    intent_of,
    match_of,
    payment,
    rules,
    sibling,
)
from tests.unit.domain.test_discrepancy_kinds import found_in


def _paid(intent_id: str, created: datetime | None, **changes: Any) -> PaidSibling:
    return sibling(intent_id, created=created, **changes)


def _duplicates(
    *siblings: PaidSibling,
    intent_id: str = "pi_1",
    created: datetime = CREATED,
    stripe: Outcome = Outcome.SUCCEEDED,
    order: str | None = "o1",
) -> tuple[Finding, ...]:
    seen = intent_of(stripe, id=intent_id, created=created, charge=None)
    row = payment(Outcome.SUCCEEDED, payment_intent=intent_id, key=f"row_of_{intent_id}")
    match = match_of(seen, row, order=order, siblings=siblings)
    found = found_in(decide(match, rules(), NOW))
    return tuple(item for item in found if item.kind is Kind.DUPLICATE_PAYMENT)


def test_an_earlier_payment_makes_this_one_the_duplicate() -> None:
    """The finding is on this intent, with its row and amount, and names the other as evidence."""
    (found,) = _duplicates(_paid("pi_0", CREATED - timedelta(hours=1)))
    assert (found.payment_intent, found.keys) == ("pi_1", ("row_of_pi_1",))
    assert (found.stake.amount, found.stake.currency) == (AMOUNT, "eur")
    assert found.evidence == {"also_paid_by": "pi_0", "also_paid_key": "row_of_pi_0"}


def test_a_later_payment_is_the_duplicate_itself() -> None:
    """The finding belongs to the sibling, for that is the money to give back."""
    (found,) = _duplicates(_paid("pi_0", CREATED + timedelta(hours=1)))
    assert (found.subject, found.keys) == ("pi_0", ("row_of_pi_0",))
    assert found.evidence["also_paid_by"] == "pi_1"


def test_a_sibling_without_a_row_has_no_key() -> None:
    """An intent that was paid without a row is a duplicate all the same."""
    (found,) = _duplicates(_paid("pi_0", CREATED + timedelta(hours=1), key=None))
    assert (found.subject, found.keys) == ("pi_0", ())


def test_of_one_second_the_greater_id_is_the_later() -> None:
    """Stripe's times are whole seconds: a tie is broken by id, the same from both sides."""
    (on_this,) = _duplicates(_paid("pi_0", CREATED))
    assert on_this.subject == "pi_1"
    (on_other,) = _duplicates(_paid("pi_2", CREATED))
    assert on_other.subject == "pi_2"


@pytest.mark.parametrize("times", list(itertools.product([0, 1, 2], repeat=3)))
def test_of_three_payments_two_are_duplicates(times: tuple[int, int, int]) -> None:
    """From whichever side it is looked at: the two later ones, each once, with the same fingerprints."""
    paid = {
        f"pi_{n}": CREATED + timedelta(seconds=seconds) for n, seconds in enumerate(times, start=1)
    }
    first, *later = sorted(paid, key=lambda name: (paid[name], name))
    seen: dict[str, set[str]] = {}
    for name, created in paid.items():
        others = [_paid(other, when) for other, when in paid.items() if other != name]
        for order in itertools.permutations(others):
            found = _duplicates(*order, intent_id=name, created=created)
            subjects = [item.subject for item in found]
            assert len(set(subjects)) == len(subjects)
            assert name == first or name in subjects
            assert first not in subjects
            for item in found:
                seen.setdefault(item.subject, set()).add(item.fingerprint)
    assert set(seen) == set(later)
    assert all(len(fingerprints) == 1 for fingerprints in seen.values())


@pytest.mark.parametrize(
    "other",
    [
        {"amount": AMOUNT + 1},
        {"amount": None},
        {"currency": "usd"},
        {"currency": None},
        {"payment_intent": "pi_1"},
    ],
    ids=str,
)
def test_what_differs_is_no_duplicate(other: dict[str, Any]) -> None:
    """Another amount or currency is another purchase; an intent is not its own duplicate; missing is not equal."""
    assert _duplicates(sibling(**({"payment_intent": "pi_0"} | other))) == ()


def test_without_an_order_nothing_is_a_duplicate() -> None:
    """The check is off unless the order is mapped and filled."""
    assert _duplicates(sibling("pi_0"), order=None) == ()


@pytest.mark.parametrize("stripe", [Outcome.PROCESSING, Outcome.AUTHORIZED, Outcome.CANCELED])
def test_only_money_that_was_taken_was_paid_twice(stripe: Outcome) -> None:
    """An intent that has not succeeded has paid for nothing."""
    assert _duplicates(sibling("pi_0"), stripe=stripe) == ()


def test_the_correction_is_made_all_the_same() -> None:
    """The money was taken: the row says so, and the duplicate stands beside it."""
    match = match_of(
        intent_of(Outcome.SUCCEEDED),
        payment(Outcome.INCOMPLETE),
        order="o1",
        siblings=(sibling("pi_0"),),
    )
    decision = decide(match, rules(), NOW)
    assert isinstance(decision, Correct)
    assert {found.kind for found in decision.findings} == {
        Kind.MISSED_OUTCOME,
        Kind.DUPLICATE_PAYMENT,
    }


def test_a_payment_without_a_row_is_a_duplicate_too() -> None:
    """Its order is known from its metadata: both findings are kept."""
    match = match_of(intent_of(Outcome.SUCCEEDED), order="o1", siblings=(sibling("pi_0"),))
    decision = decide(match, rules(), NOW)
    assert isinstance(decision, Flag)
    (row, twice) = decision.findings
    assert (row.kind, twice.kind) == (Kind.MISSING_LOCALLY, Kind.DUPLICATE_PAYMENT)
    assert twice.keys == ()


def test_a_payment_that_is_not_ours_is_no_duplicate() -> None:
    """Another program's intent with the same metadata is none of our business."""
    match = match_of(intent_of(Outcome.SUCCEEDED), order="o1", siblings=(sibling("pi_0"),))
    assert decide(match, rules(metadata={"app": "shop"}), NOW) == Keep()


@pytest.mark.parametrize(("one", "other"), [("pi_1", "pi_2"), ("pi_9", "pi_3")])
def test_a_pair_is_found_once_where_rows_have_no_time(one: str, other: str) -> None:
    """Rows without a creation time: both intents, each examined by itself, name the same one."""
    (from_one,) = _duplicates(_paid(other, None), intent_id=one)
    (from_other,) = _duplicates(_paid(one, None), intent_id=other)
    assert from_one.subject == from_other.subject


def test_of_several_earlier_payments_the_same_is_always_named() -> None:
    """The evidence does not depend on the order in which the siblings come."""
    earlier = [sibling(name) for name in ("pi_0c", "pi_0a", "pi_0b")]
    named = {
        _duplicates(*order)[0].evidence["also_paid_by"] for order in itertools.permutations(earlier)
    }
    assert named == {"pi_0a"}


def test_times_of_two_clocks_are_not_compared() -> None:
    """A sibling known by its row alone is compared by both rows' times, though Stripe's time of this one lies between."""
    row = payment(Outcome.INCOMPLETE, created=CREATED - timedelta(seconds=30))
    by_row = sibling("pi_2", created=None, row_created=CREATED - timedelta(seconds=10))
    found = duplicate_of(
        match_of(intent_of(Outcome.SUCCEEDED), row, order="o1", siblings=(by_row,))
    )
    assert found == {"pi_2"}


def test_equal_times_of_rows_leave_it_to_stripe() -> None:
    """Rows written in one transaction have one time; then the intents' own decide."""
    row = payment(Outcome.INCOMPLETE, created=CREATED)
    other = sibling("pi_9", created=CREATED - timedelta(hours=1), row_created=CREATED)
    found = duplicate_of(match_of(intent_of(Outcome.SUCCEEDED), row, order="o1", siblings=(other,)))
    assert found == {"pi_1"}


def test_a_row_and_an_intent_without_one_are_compared_at_last() -> None:
    """The earlier payment is known by its row, the later one has none: their times are all that there is."""
    for other, later in ((timedelta(hours=-1), "pi_1"), (timedelta(hours=1), "pi_0")):
        by_row = sibling("pi_0", created=None, row_created=CREATED + other)
        assert duplicate_of(
            match_of(intent_of(Outcome.SUCCEEDED), order="o1", siblings=(by_row,))
        ) == {later}


def duplicate_of(seen: Match) -> set[str]:
    findings = compare(seen, rules(), NOW).findings
    return {found.subject for found in findings if found.kind is Kind.DUPLICATE_PAYMENT}
