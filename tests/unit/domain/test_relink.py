"""A row is pointed at the intent that paid its order only if nothing about the two is in doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from reconciler.domain.rules.grace import Wait
from tests.unit.domain.samples import AMOUNT, CREATED, NOW, charge, intent_of, match_of, payment
from tests.unit.domain.samples import rules as usual_rules

RELINK = usual_rules(link_metadata="order_id", relink=True)
OWN = intent_of(Outcome.CANCELED, customer="cus_1")
PAYING = intent_of(
    Outcome.SUCCEEDED, id="pi_2", created=CREATED + timedelta(minutes=15), customer="cus_1"
)
ROW = payment(Outcome.INCOMPLETE, order="o1")
RULES_WITHOUT = replace(RELINK, relink=False)


def decided(
    own: Intent = OWN,
    paying: Intent = PAYING,
    row: Payment = ROW,
    others: tuple[Intent, ...] = (),
    rows: tuple[Payment, ...] = (),
) -> object:
    """The decision about the row, whose order holds these intents and rows too."""
    order = OrderFacts(rows=rows, intents=(paying, *others), is_complete=True)
    facts = MatchFacts(order=order)
    return decide(match_of(own, row, order="o1", facts=facts), RELINK, NOW)


@pytest.mark.parametrize("customer", ["cus_1", None])
@pytest.mark.parametrize("own", [Outcome.CANCELED, Outcome.FAILED])
def test_the_row_is_pointed_at_the_paying_intent(own: Outcome, customer: str | None) -> None:
    """It gets the paying intent's id and outcome in one write; an unknown customer speaks for none."""
    decision = decided(replace(intent_of(own), customer=customer))
    assert isinstance(decision, Correct)
    assert (decision.payments, decision.to_intent, decision.status) == ((ROW,), "pi_2", "paid")


def test_the_row_itself_among_the_rows_of_its_order_is_no_doubt() -> None:
    """What was read of the order may have the row too."""
    decision = decided(rows=(ROW,))
    assert isinstance(decision, Correct)
    assert decision.to_intent == "pi_2"


def test_a_payment_of_a_moment_ago_waits() -> None:
    """The webhook of the paying intent may be on its way, although the row's own intent changed long ago."""
    paid_now = charge(created=NOW - timedelta(seconds=5))
    decision = decided(paying=replace(PAYING, charge=paid_now))
    assert isinstance(decision, Wait)


def test_without_the_setting_a_person_decides() -> None:
    """Pointing a row at another intent is off unless it is asked for."""
    facts = MatchFacts(order=OrderFacts(intents=(PAYING,), is_complete=True))
    match = match_of(OWN, ROW, order="o1", facts=facts)
    assert isinstance(decide(match, RULES_WITHOUT, NOW), Flag)


@pytest.mark.parametrize(
    "doubt",
    [
        {"own": intent_of(Outcome.INCOMPLETE)},
        {"row": replace(ROW, outcome=Outcome.CANCELED, status="canceled")},
        {"paying": intent_of(Outcome.AUTHORIZED, id="pi_2", created=PAYING.created)},
        {"paying": replace(PAYING, amount_received=AMOUNT - 1)},
        {"paying": replace(PAYING, currency="usd")},
        {"paying": replace(PAYING, created=OWN.created)},
        {"paying": replace(PAYING, customer="cus_2")},
        {"paying": replace(PAYING, charge=charge(amount_refunded=1))},
        {"paying": replace(PAYING, charge=charge(disputed=True))},
        {"others": (replace(PAYING, id="pi_3"),)},
        {"rows": (replace(ROW, key="p2", payment_intent=""),)},
        {"row": replace(ROW, stored_id="cs_test_1")},
    ],
    ids=["own intent open", "row settled", "only held", "another amount", "another currency", "not younger",
         "another customer", "refunded in part", "disputed", "two paid", "two rows", "a webhook finds the row by another id"],
)  # fmt: skip
def test_any_doubt_leaves_it_to_a_person(doubt: dict[str, object]) -> None:
    """One condition that does not hold is enough: the row is only flagged."""
    assert isinstance(decided(**doubt), Flag)  # type: ignore[arg-type]


def test_an_intent_that_is_an_sql_text_is_not_replaced() -> None:
    """There is no column to write the paying intent to, so a person decides."""
    facts = MatchFacts(order=OrderFacts(intents=(PAYING,), is_complete=True))
    match = match_of(OWN, ROW, order="o1", facts=facts)
    decision = decide(match, replace(RELINK, writes_intent=False), NOW)
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason == "intent_not_writable"


def test_a_row_is_not_pointed_at_a_payment_that_cannot_be_written() -> None:
    """The mapping may have no status for a payment that succeeded."""
    written = {Outcome.CANCELED: "canceled", Outcome.FAILED: "failed"}
    facts = MatchFacts(order=OrderFacts(intents=(PAYING,), is_complete=True))
    match = match_of(OWN, ROW, order="o1", facts=facts)
    without = replace(RELINK, statuses=StatusMap(RELINK.statuses.read, written))
    assert isinstance(decide(match, without, NOW), Flag)
