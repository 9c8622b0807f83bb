"""The edges of the rules: one cent, one second, the first of several, a value that is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Cause, Closing, Kind, Severity, State
from reconciler.domain.findings.lifecycle import updates_after_verdict
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts, UnmatchedPayment
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, cause_of, decide
from reconciler.domain.rules.order_check import order_verdict, paying_intent
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    SECOND,
    charge,
    event,
    intent_of,
    match_of,
    payment,
    rules,
)
from tests.unit.domain.test_lifecycle import _finding, _known

SUCCEEDED, CANCELED, REFUNDED = Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.REFUNDED
OWN = intent_of(CANCELED)
ROW = payment(Outcome.INCOMPLETE, order="o1")


def _decided(match: Match) -> Decision:
    return decide(match, rules(), NOW)


def _parts(paid: int | None, refunded: int | None) -> tuple[Payment, Payment]:
    return payment(SUCCEEDED, amount=paid), payment(REFUNDED, amount=refunded, key="p2")


@pytest.mark.parametrize(
    ("paid", "refunded", "back", "agrees"),
    [
        (1, AMOUNT - 1, AMOUNT - 1, True),
        (AMOUNT - 1, 1, 1, True),
        (AMOUNT - 1, 1, 0, False),
        (AMOUNT, 0, 0, False),
        (AMOUNT, None, 0, False),
    ],
)
def test_a_part_of_one_cent_is_a_part_and_one_of_nothing_is_not(
    paid: int, refunded: int | None, back: int, agrees: bool
) -> None:
    """Paid and refunded parts have to add up to the cent, and a row without money explains nothing."""
    seen = intent_of(SUCCEEDED, charge=charge(amount_refunded=back))
    assert isinstance(_decided(match_of(seen, *_parts(paid, refunded))), Keep) == agrees


def test_parts_of_a_canceled_intent_stay_a_question() -> None:
    """It received money and gave it back: only a succeeded intent explains paid and refunded parts."""
    back = charge(amount_refunded=100, refunded=False)
    seen = intent_of(CANCELED, amount_received=AMOUNT, charge=back)
    decision = _decided(match_of(seen, *_parts(AMOUNT - 100, 100)))
    assert isinstance(decision, Flag)
    assert decision.findings[0].kind is Kind.AMBIGUOUS_ROW


def test_one_cent_without_a_row_that_says_paid_is_critical() -> None:
    """Any money that was taken counts."""
    seen = intent_of(SUCCEEDED, amount_received=1)
    rows = (payment(Outcome.INCOMPLETE), payment(Outcome.INCOMPLETE, key="p2"))
    (found,) = compare(match_of(seen, *rows), rules(), NOW).findings
    assert (found.kind, found.severity) == (Kind.AMBIGUOUS_ROW, Severity.CRITICAL)


@pytest.mark.parametrize("stripe", [Outcome.FAILED, Outcome.PROCESSING, CANCELED])
def test_an_order_links_only_an_intent_of_the_rows_amount(stripe: Outcome) -> None:
    """A deposit and a rest are two amounts of one order; a row that holds the intent itself needs no such proof."""
    by_order = payment(Outcome.INCOMPLETE, payment_intent=None, order="o1")
    for row, amount, kind in (
        (by_order, AMOUNT, Kind.MISSED_OUTCOME),
        (by_order, AMOUNT - 1, Kind.AMOUNT_MISMATCH),
        (replace(by_order, payment_intent="pi_1"), AMOUNT - 1, Kind.MISSED_OUTCOME),
    ):
        match = match_of(intent_of(stripe, amount=amount), row, order="o1")
        (found,) = compare(match, rules(link_metadata="order_id"), NOW).findings
        assert found.kind is kind


@pytest.mark.parametrize(
    ("earlier", "is_corrected"),
    [(Outcome.FAILED, True), (CANCELED, True), (Outcome.PROCESSING, False)],
)
def test_a_row_of_an_earlier_charge_may_stand_beside_that_of_the_latest(
    earlier: Outcome, is_corrected: bool
) -> None:
    """An attempt that ended is history. One that goes on may be the one that was paid."""
    rows = (
        payment(earlier, stored_id="ch_0", order="o1"),
        payment(Outcome.INCOMPLETE, key="p2", stored_id="ch_1", order="o1"),
    )
    decision = _decided(match_of(intent_of(SUCCEEDED), *rows))
    assert isinstance(decision, Correct) == is_corrected
    if isinstance(decision, Correct):
        assert [row.key for row in decision.payments] == ["p2"]


def test_a_row_of_an_earlier_charge_alone_is_no_history() -> None:
    """It has ended, and no row holds the charge that was paid: nothing shows that this one was meant."""
    row = payment(Outcome.FAILED, stored_id="ch_0")
    decision = _decided(match_of(intent_of(SUCCEEDED), row))
    assert isinstance(decision, Flag)
    assert decision.findings[0].kind is Kind.AMBIGUOUS_ROW


@pytest.mark.parametrize(("age", "reason"), [(timedelta(0), "maybe_paid"), (SECOND, None)])
@pytest.mark.parametrize("created", [CREATED, None])
def test_a_payment_of_the_same_second_may_be_the_rows(
    age: timedelta, reason: str | None, created: object
) -> None:
    """Stripe's times are whole seconds. Without a time of its own the row is as old as its intent."""
    paid = UnmatchedPayment("pi_2", AMOUNT, "eur", CREATED - age)
    facts = MatchFacts(order=OrderFacts(), unmatched_paid=(paid,))
    row = replace(ROW, created=created)
    match = match_of(OWN, row, facts=facts)
    (found,) = compare(match, rules(), NOW).findings
    assert (found.kind, found.reason) == (Kind.MISSED_OUTCOME, reason)


@pytest.mark.parametrize("created", [CREATED, None])
def test_a_payment_of_exactly_a_day_before_the_row_is_named(created: object) -> None:
    """One second earlier it belongs to another order of the same number."""
    row = replace(ROW, created=created)
    paid = intent_of(SUCCEEDED, id="pi_2", created=CREATED - timedelta(days=1))
    assert paying_intent(row, OWN, OrderFacts(intents=(paid,))) == paid
    older = replace(paid, created=paid.created - SECOND)
    assert paying_intent(row, OWN, OrderFacts(intents=(older,))) is None


def test_an_intent_that_took_one_cent_was_paid_itself() -> None:
    """Then another paid intent is a second payment, and none in the place of this one."""
    paid = intent_of(SUCCEEDED, id="pi_2", created=CREATED)
    facts = OrderFacts(intents=(paid,))
    assert paying_intent(ROW, intent_of(CANCELED, amount_received=1), facts) is None


def test_an_open_intent_of_the_same_second_keeps_the_row_waiting() -> None:
    """Nothing shows which of the two came first, so the customer may be paying under the other one."""
    facts = OrderFacts(intents=(intent_of(Outcome.INCOMPLETE, id="pi_2"),), is_complete=True)
    assert order_verdict(ROW, OWN, facts, NOW).wait_until == CREATED + timedelta(days=1)


def test_an_unknown_outcome_has_no_cause() -> None:
    """No webhook is known that would have told it, so no event is about it."""
    seen = intent_of(Outcome.UNKNOWN)
    assert cause_of(seen, (event(NOW),), NOW, None) is None
    assert cause_of(seen, (event(NOW),), NOW, CREATED) is Cause.NEVER_GENERATED


def test_a_discrepancy_that_stays_does_not_keep_the_next_one() -> None:
    """What was settled, what could not be judged and what a 404 leaves open change nothing about the others."""
    settled = replace(_known(Kind.OVERDUE, State.IGNORED), id=1)
    unseen = replace(_known(Kind.EXHAUSTED, State.OPEN), id=2)
    gone = replace(_known(Kind.MISSED_OUTCOME, State.OPEN), id=3, subject="pi_3")
    (update,) = updates_after_verdict(
        (settled, unseen, gone), (), corrected=False, unseen=frozenset({Kind.EXHAUSTED})
    )
    assert (update.id, update.subject, update.closing) == (3, "pi_3", Closing.AGREEMENT)

    (_, superseded) = updates_after_verdict(
        (replace(unseen, id=2), gone), (_finding(Kind.MISSING_AT_STRIPE),), corrected=False
    )
    assert (superseded.id, superseded.closing) == (3, Closing.SUPERSEDED)


def test_a_correction_that_cannot_be_written_asks_for_no_order() -> None:
    """It releases nothing, so the other intents of the order cost no read, and its own reason stays."""
    match = match_of(OWN, ROW, order="o1", facts=MatchFacts())
    statuses = StatusMap(rules().statuses.read, {})
    (found,) = compare(match, rules(link_metadata="order_id", statuses=statuses), NOW).findings
    assert (found.kind, found.reason) == (Kind.MISSED_OUTCOME, "no_local_value")
