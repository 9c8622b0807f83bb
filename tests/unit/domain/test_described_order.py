"""With link_description a paid intent whose metadata name no order is linked by its description, and proves nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.domain.findings.discrepancy import Reason
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts, UnmatchedPayment
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from reconciler.domain.rules.matching import match_by_order
from tests.unit.domain.samples import AMOUNT, NOW, intent_of, match_of, payment, rules

DESCRIBED = rules(link_description=True)


def of_order(order: str = "A7", **changes: object) -> Payment:
    """An open row of an order, without an intent."""
    return payment(Outcome.INCOMPLETE, payment_intent=None, order=order, **changes)


def matched(
    intents: list[Intent], rows: list[Payment], given: Rules = DESCRIBED
) -> dict[str, Match]:
    """The matches of these intents, by id."""
    loaded = Loaded((), tuple(rows), (), (), (), NOW)
    found = match_by_order("default", intents, loaded, given, None)
    return {match.intent.id: match for match in found}


def named(
    description: str | None, outcome: Outcome = Outcome.SUCCEEDED, **changes: object
) -> Intent:
    """An intent with a description."""
    return intent_of(outcome, description=description, **changes)


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.AUTHORIZED])
def test_money_is_linked_by_the_whole_description(outcome: Outcome) -> None:
    """The description is the order's text, and amount and currency are those of the row."""
    match = matched([named("A7", outcome)], [of_order()])["pi_1"]
    assert (match.keys, match.order, match.contested) == (("p1",), "A7", False)


@pytest.mark.parametrize(
    "intent",
    [
        named("Order A7"),
        named(None),
        named("A7", amount=AMOUNT + 1),
        named("A7", currency="usd"),
        named("A7", Outcome.CANCELED),
        named("A7", Outcome.INCOMPLETE),
        named("A7", Outcome.PROCESSING),
        named("A7", metadata={"order_id": "B8"}),
    ],
    ids=[
        "more text",
        "none",
        "another amount",
        "another currency",
        "canceled",
        "incomplete",
        "processing",
        "another order in metadata",
    ],
)
def test_everything_else_is_not_linked_by_a_description(intent: Intent) -> None:
    """Text around the order, other money, and an intent without money link nothing."""
    given = replace(DESCRIBED, link_metadata="order_id")
    assert matched([intent], [of_order()], given)["pi_1"].payments == ()


def test_without_the_setting_a_description_is_not_looked_at() -> None:
    """It is off unless the configuration asks for it."""
    assert matched([named("A7")], [of_order()], rules())["pi_1"].payments == ()


def test_an_intent_of_another_program_is_not_linked_by_its_description() -> None:
    """The metadata filter holds for descriptions too."""
    other = replace(DESCRIBED, metadata={"app": "shop"})
    assert matched([named("A7")], [of_order()], other)["pi_1"].payments == ()


def test_metadata_and_description_compete_for_a_row() -> None:
    """Two paid intents for one row are a person's to sort out, however each of them names the order."""
    given = replace(DESCRIBED, link_metadata="order_id")
    intents = [named("A7"), named(None, id="pi_2", metadata={"order_id": "A7"})]
    assert all(match.contested for match in matched(intents, [of_order()], given).values())


def test_a_description_makes_no_order_known() -> None:
    """A canceled intent releases no row while a paid intent without a row has its money, even if the order seems known."""
    given = replace(DESCRIBED, link_metadata="order_id")
    row = payment(Outcome.INCOMPLETE, order="A7")
    facts = MatchFacts(
        order=OrderFacts(is_complete=True),
        unmatched_paid=(UnmatchedPayment("pi_2", AMOUNT, "eur", NOW),),
    )
    match = match_of(intent_of(Outcome.CANCELED), row, order="A7", facts=facts)
    decision = decide(match, given, NOW)
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.MAYBE_PAID
    known = replace(given, link_description=False)
    assert isinstance(decide(match, known, NOW), Correct)
