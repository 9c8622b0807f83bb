"""Nothing negative is written while money may be anywhere in the order."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from reconciler.domain.findings.discrepancy import Reason
from reconciler.domain.model.match_facts import OrderFacts
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.order_check import OrderVerdict, order_verdict, paying_intent
from tests.unit.domain.samples import CREATED, NOW, intent_of, payment

ROW = payment(Outcome.INCOMPLETE)
OWN = intent_of(Outcome.CANCELED)
LATER = CREATED + timedelta(minutes=15)
KNOWN = OrderFacts(is_complete=True)


def other(outcome: Outcome, **changes: object):
    return intent_of(outcome, id="pi_2", **{"created": LATER, **changes})


NOTHING_AGAINST_IT = OrderVerdict()


def facts(*intents, rows=(), held=(), complete=True) -> OrderFacts:
    return OrderFacts(tuple(rows), tuple(intents), frozenset(held), complete)


def test_an_order_that_is_known_and_unpaid_allows_the_write() -> None:
    """The row's own intent is all there is."""
    assert order_verdict(ROW, OWN, KNOWN, NOW) == NOTHING_AGAINST_IT


def test_an_order_that_is_not_known_allows_nothing() -> None:
    """What is not known is not written."""
    verdict = order_verdict(ROW, OWN, facts(complete=False), NOW)
    assert verdict.reason is Reason.ORDER_NOT_KNOWN


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    "outcome", [Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.PROCESSING, Outcome.UNKNOWN]
)
def test_another_row_that_may_be_paid_blocks(outcome: Outcome, complete: bool) -> None:
    """With or without an intent: the order's money may be there."""
    row = payment(outcome, key="p2", payment_intent=None)
    verdict = order_verdict(ROW, OWN, facts(rows=[row], complete=complete), NOW)
    assert verdict.reason is Reason.ORDER_PAID


def test_the_row_itself_does_not_block() -> None:
    """It is among the rows of its order."""
    same = payment(Outcome.PROCESSING, key=ROW.key)
    assert order_verdict(ROW, OWN, facts(rows=[same]), NOW) == NOTHING_AGAINST_IT


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.AUTHORIZED])
def test_an_unmatched_intent_that_was_paid_is_named(outcome: Outcome) -> None:
    """The retry was paid under a new intent: that one is the finding."""
    assert order_verdict(ROW, OWN, facts(other(outcome)), NOW).paid_by == other(outcome)


def test_an_intent_that_another_row_holds_is_that_rows_money() -> None:
    """A deposit and a rest: it only blocks."""
    verdict = order_verdict(ROW, OWN, facts(other(Outcome.SUCCEEDED), held=["pi_2"]), NOW)
    assert (verdict.paid_by, verdict.reason) == (None, Reason.ORDER_PAID)


def test_an_old_payment_of_a_number_used_again_blocks_and_is_not_named() -> None:
    """It was created more than a day before the row."""
    old = other(Outcome.SUCCEEDED, created=CREATED - timedelta(days=1, seconds=1))
    verdict = order_verdict(ROW, OWN, facts(old), NOW)
    assert (verdict.paid_by, verdict.reason) == (None, Reason.ORDER_PAID)


@pytest.mark.parametrize("outcome", [Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING])
def test_a_younger_open_intent_keeps_the_row_waiting_for_a_day(outcome: Outcome) -> None:
    """The customer may be with the bank this minute; after a day it is a person's question."""
    open_one = other(outcome)
    verdict = order_verdict(ROW, OWN, facts(open_one), NOW)
    assert verdict.wait_until == LATER + timedelta(days=1)
    late = order_verdict(ROW, OWN, facts(open_one), LATER + timedelta(days=1))
    assert (late.wait_until, late.reason) == (None, Reason.OTHER_INTENT_OPEN)


def test_an_older_unpaid_intent_does_not_keep_it_waiting() -> None:
    """The customer went on to the row's own intent."""
    older = other(Outcome.INCOMPLETE, created=CREATED - timedelta(minutes=1))
    assert order_verdict(ROW, OWN, facts(older), NOW) == NOTHING_AGAINST_IT


def test_an_older_intent_at_the_bank_blocks() -> None:
    """Its money may still come."""
    older = other(Outcome.PROCESSING, created=CREATED - timedelta(minutes=1))
    assert order_verdict(ROW, OWN, facts(older), NOW).reason is Reason.ORDER_PAID


@pytest.mark.parametrize("own", [Outcome.SUCCEEDED, Outcome.AUTHORIZED])
def test_a_row_whose_own_intent_was_paid_is_not_paid_by_another(own: Outcome) -> None:
    """Then the order was paid twice, which is another finding."""
    assert paying_intent(ROW, intent_of(own), facts(other(Outcome.SUCCEEDED))) is None


def test_of_several_the_one_that_took_money_is_named() -> None:
    """Taken says more than held."""
    held = other(Outcome.AUTHORIZED, created=LATER + timedelta(hours=1))
    taken = intent_of(Outcome.SUCCEEDED, id="pi_3", created=LATER)
    assert paying_intent(ROW, OWN, facts(held, taken)) == taken


@pytest.mark.parametrize(
    ("intent", "row", "held", "complete"),
    list(product(list(Outcome)[:6], [None, *Outcome], [True, False], [True, False])),
    ids=str,
)
def test_no_negative_write_while_money_is_anywhere(intent, row, held, complete) -> None:
    """Over all outcomes of another intent and another row: a write is allowed only if nothing was paid or may be."""
    rows = [] if row is None else [payment(row, key="p2", payment_intent="pi_2" if held else None)]
    known = facts(other(intent), rows=rows, held=["pi_2"] if held else [], complete=complete)
    verdict = order_verdict(ROW, OWN, known, NOW)
    may_be_paid = {Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.PROCESSING, Outcome.UNKNOWN}
    if intent in may_be_paid or row in may_be_paid or not complete:
        assert verdict != NOTHING_AGAINST_IT


def test_parts_do_not_block_each_other() -> None:
    """The parts of one payment are written together, so that one of them says nothing against another."""
    part = payment(Outcome.PROCESSING, key="p2")
    known = facts(rows=[part])
    assert order_verdict(ROW, OWN, known, NOW).reason is Reason.ORDER_PAID
    assert order_verdict(ROW, OWN, known, NOW, frozenset({"p1", "p2"})) == NOTHING_AGAINST_IT


def test_rows_that_are_not_known_allow_nothing() -> None:
    """Another row of the order may have been paid by something that Stripe could not be asked about."""
    unknown = OrderFacts(is_complete=True, rows_are_known=False)
    assert order_verdict(ROW, OWN, unknown, NOW).reason is Reason.ORDER_NOT_KNOWN
