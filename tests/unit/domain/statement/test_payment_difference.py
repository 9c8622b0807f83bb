"""By how much the two sides of a payment differ, and which finding carries it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.statement.payment_difference import (
    PaidRow,
    difference,
    paid_rows,
    with_difference,
)
from tests.unit.domain.samples import AMOUNT, CREATED, intent_of, match_of, missing, payment

SUCCEEDED = intent_of(Outcome.SUCCEEDED)
PAIR = Finding(Kind.MISSED_OUTCOME, Severity.WARNING, Money(AMOUNT, "eur"), "pi_1", ("p1",), {}, {})
SIDE = replace(PAIR, kind=Kind.OVERDUE)


def test_a_row_that_took_money_counts() -> None:
    """Paid, refunded and disputed rows took money once; open and canceled ones, and those without an amount, took none."""
    rows = [payment(outcome, key=outcome.value) for outcome in Outcome]
    unreadable = [
        payment(Outcome.SUCCEEDED, amount=None),
        payment(Outcome.SUCCEEDED, currency=None),
        payment(Outcome.SUCCEEDED, payment_intent=None),
        payment(Outcome.SUCCEEDED, payment_intent="pi_2"),
    ]
    match = match_of(SUCCEEDED, *rows, *unreadable)
    assert paid_rows(match) == (PaidRow(AMOUNT, "eur", CREATED),) * 3


def test_the_difference_is_signed_and_by_currency() -> None:
    """More here is positive. Amounts of two currencies never meet, and what agrees is left out."""
    row = PaidRow(AMOUNT, "eur", CREATED)
    assert difference([row], SUCCEEDED) == {}
    assert difference([], SUCCEEDED) == {"eur": -AMOUNT}
    assert difference([row, row], SUCCEEDED) == {"eur": AMOUNT}
    assert difference([row], None) == {"eur": AMOUNT}
    assert difference([replace(row, currency="usd")], SUCCEEDED) == {"usd": AMOUNT, "eur": -AMOUNT}


def test_one_finding_carries_the_difference() -> None:
    """It is the pair finding, so that a payment with several findings counts once."""
    match = match_of(SUCCEEDED, payment(Outcome.INCOMPLETE))
    side, pair = with_difference(match, (SIDE, PAIR))
    assert side == replace(SIDE, payment_created=pair.payment_created)
    assert (pair.difference, pair.payment_created) == ({"eur": -AMOUNT}, CREATED)
    assert with_difference(match, (SIDE,)) == (replace(SIDE, payment_created=CREATED),)
    assert with_difference(match, ()) == ()


def test_every_finding_has_the_order_and_its_payments_time() -> None:
    """The order is the match's or a row's; a side finding about another payment of the order has no time of this one."""
    sibling = replace(SIDE, kind=Kind.DUPLICATE_PAYMENT, payment_intent="pi_9")
    match = match_of(SUCCEEDED, payment(Outcome.INCOMPLETE, order="A-1"))
    found = with_difference(match, (sibling, PAIR))
    assert [one.order for one in found] == ["A-1", "A-1"]
    assert [one.payment_created for one in found] == [None, CREATED]
    named = match_of(SUCCEEDED, payment(Outcome.INCOMPLETE, order="A-1"), order="A-2")
    assert with_difference(named, (PAIR,))[0].order == "A-2"


def test_without_an_intent_the_row_says_when_it_was_created() -> None:
    """Stripe does not know the payment, so all of it is a difference."""
    early = payment(Outcome.SUCCEEDED, created=CREATED - timedelta(days=1))
    match = match_of(missing(), early, payment(Outcome.CANCELED, key="p2"))
    (found,) = with_difference(match, (replace(PAIR, kind=Kind.MISSING_AT_STRIPE),))
    assert (found.difference, found.payment_created) == ({"eur": AMOUNT}, early.created)
    undated = match_of(missing(), payment(Outcome.SUCCEEDED, created=None))
    (found,) = with_difference(undated, (replace(PAIR, kind=Kind.MISSING_AT_STRIPE),))
    assert found.payment_created is None


def test_the_paying_intents_money_is_the_difference() -> None:
    """The row's own intent received nothing; the other one did, and no row holds it."""
    paying = intent_of(Outcome.SUCCEEDED, id="pi_2", created=CREATED + timedelta(days=2))
    named = replace(PAIR, kind=Kind.PAID_BY_OTHER_INTENT, evidence={"paying_intent": "pi_2"})
    order = MatchFacts(order=OrderFacts(intents=(paying,)))
    canceled = intent_of(Outcome.CANCELED)
    match = match_of(canceled, payment(Outcome.INCOMPLETE), order="o1", facts=order)
    (found,) = with_difference(match, (named,))
    assert (found.difference, found.payment_created) == ({"eur": -AMOUNT}, paying.created)

    unknown = match_of(canceled, payment(Outcome.INCOMPLETE))
    (found,) = with_difference(unknown, (named,))
    assert (found.difference, found.payment_created) == ({}, CREATED)
