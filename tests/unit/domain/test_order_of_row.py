"""A row is made failed or canceled only if its order allows that, and a payment under another intent is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind, Reason, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import (
    FactNeededError,
    MatchFacts,
    OrderFacts,
    Question,
    UnmatchedPayment,
)
from reconciler.domain.model.money_back import Dispute, Refund, RefundFacts
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from reconciler.domain.rules.grace import Wait
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    charge,
    intent_of,
    match_of,
    payment,
    rules,
)

LINKED = rules(link_metadata="order_id")
LATER = CREATED + timedelta(minutes=15)
PAID = intent_of(Outcome.SUCCEEDED, id="pi_2", created=LATER)


def asked(outcome: Outcome, local: Outcome = Outcome.INCOMPLETE, **facts: object) -> Match:
    """A row of an order whose own intent has this outcome."""
    known = MatchFacts(**facts) if facts else MatchFacts()  # type: ignore[arg-type]
    return match_of(intent_of(outcome), payment(local, order="o1"), order="o1", facts=known)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELED])
def test_a_negative_write_asks_for_the_order(outcome: Outcome) -> None:
    """What is not known is not written: the sweep has to find out the order first."""
    with pytest.raises(FactNeededError) as needed:
        decide(asked(outcome), LINKED, NOW)
    assert needed.value.question is Question.ORDER
    assert "order" in str(needed.value)


@pytest.mark.parametrize("outcome", [Outcome.PROCESSING, Outcome.AUTHORIZED, Outcome.SUCCEEDED])
def test_other_writes_ask_for_nothing(outcome: Outcome) -> None:
    """Reads are spent only where a verdict hangs on them."""
    assert isinstance(decide(asked(outcome), LINKED, NOW), Correct)


def test_a_known_unpaid_order_allows_the_write() -> None:
    """The row's own intent is the only one."""
    order = OrderFacts(is_complete=True)
    assert isinstance(decide(asked(Outcome.CANCELED, order=order), LINKED, NOW), Correct)


def test_a_reason_keeps_the_row() -> None:
    """It is the same missed outcome, with the reason why it was not written."""
    decision = decide(asked(Outcome.CANCELED, order=OrderFacts()), LINKED, NOW)
    assert isinstance(decision, Flag)
    (found,) = decision.findings
    assert (found.kind, found.reason) == (Kind.MISSED_OUTCOME, Reason.ORDER_NOT_KNOWN)


def test_an_open_intent_of_the_order_is_waited_for() -> None:
    """The customer may be paying at this moment."""
    open_one = intent_of(Outcome.INCOMPLETE, id="pi_2", created=LATER)
    order = OrderFacts(intents=(open_one,), is_complete=True)
    decision = decide(asked(Outcome.CANCELED, order=order), LINKED, NOW)
    assert isinstance(decision, Wait)
    assert decision.until == LATER + timedelta(days=1)


@pytest.mark.parametrize("own", [Outcome.INCOMPLETE, Outcome.FAILED, Outcome.CANCELED])
@pytest.mark.parametrize("local", [Outcome.INCOMPLETE, Outcome.FAILED, Outcome.CANCELED])
def test_the_intent_that_paid_is_named(own: Outcome, local: Outcome) -> None:
    """The finding is about the row, with the paying intent's money, in the place of every other pair finding."""
    decision = decide(asked(own, local, order=OrderFacts(intents=(PAID,))), LINKED, NOW)
    assert isinstance(decision, Flag)
    (found,) = decision.findings
    assert (found.kind, found.severity) == (Kind.PAID_BY_OTHER_INTENT, Severity.CRITICAL)
    assert (found.subject, found.payment_intent, found.keys) == ("row:p1", "pi_1", ("p1",))
    assert (found.stake.amount, found.evidence["paying_intent"]) == (AMOUNT, "pi_2")
    assert found.belongs_to("pi_1")
    assert not found.belongs_to("pi_2")


@pytest.mark.parametrize("local", [Outcome.SUCCEEDED, Outcome.REFUNDED, Outcome.DISPUTED])
def test_a_row_that_says_paid_is_not_paid_by_another(local: Outcome) -> None:
    """It contradicts its own intent, which is the worse finding."""
    decision = decide(
        asked(Outcome.CANCELED, local, order=OrderFacts(intents=(PAID,))), LINKED, NOW
    )
    assert isinstance(decision, Flag)
    assert [found.kind for found in decision.findings] == [Kind.CONTRADICTED]


def maybe(**changes: object) -> Match:
    paid = UnmatchedPayment("pi_2", AMOUNT, "eur", LATER)
    unmatched = replace(paid, **changes)  # type: ignore[arg-type]
    facts = MatchFacts(order=OrderFacts(), unmatched_paid=(unmatched,))
    return replace(asked(Outcome.CANCELED), order=None, facts=facts)


def test_a_paid_intent_without_a_row_may_be_the_rows_payment() -> None:
    """Orders cannot be found, and the money is the same: nothing negative is written."""
    decision = decide(maybe(), rules(), NOW)
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.MAYBE_PAID


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": AMOUNT - 1},
        {"currency": "usd"},
        {"created": CREATED - timedelta(seconds=1)},
        {"id": "pi_1"},
    ],
    ids=str,
)
def test_other_money_is_another_payment(changes: dict[str, object]) -> None:
    """Another amount or currency, an older intent, or the row's own one says nothing about the row."""
    assert isinstance(decide(maybe(**changes), rules(), NOW), Correct)


def test_an_order_without_a_way_to_its_intents_is_its_rows() -> None:
    """Without link_metadata the other rows of the order still count."""
    paid_row = payment(Outcome.SUCCEEDED, key="p2", payment_intent=None)
    order = OrderFacts(rows=(paid_row,))
    decision = decide(asked(Outcome.CANCELED, order=order), rules(), NOW)
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.ORDER_PAID
    assert isinstance(decide(asked(Outcome.CANCELED, order=OrderFacts()), rules(), NOW), Correct)


def test_an_intent_that_pays_for_a_row_needs_no_row_of_its_own() -> None:
    """The finding about that row stands in the place of missing_locally."""
    seen = replace(match_of(PAID), facts=MatchFacts(pays_for_row=True))
    assert not isinstance(decide(seen, LINKED, NOW), Flag)


def test_a_row_outside_the_mapping_is_named_unless_it_tells_of_the_money() -> None:
    """A deleted row that says paid is only counted; another one is the reason."""
    deleted = payment(Outcome.INCOMPLETE, key="p7")
    decision = decide(match_of(PAID, facts=MatchFacts(excluded_rows=(deleted,))), LINKED, NOW)
    assert isinstance(decision, Flag)
    assert (decision.findings[0].reason, decision.findings[0].keys) == (
        Reason.ROW_EXCLUDED,
        ("p7",),
    )
    paid_row = payment(Outcome.SUCCEEDED, key="p7")
    silent = decide(match_of(PAID, facts=MatchFacts(excluded_rows=(paid_row,))), LINKED, NOW)
    assert not isinstance(silent, Flag)


def released(local: Outcome, facts: MatchFacts, **changes: object) -> Match:
    seen: Intent = intent_of(
        Outcome.SUCCEEDED,
        amount_received=AMOUNT - 200,
        charge=charge(amount_captured=AMOUNT - 200, amount_refunded=200, **changes),
    )
    return match_of(seen, payment(local, amount=AMOUNT - 200), facts=facts)


UNCLEAR = MatchFacts(refunds=RefundFacts((Refund("re_1", 50, "succeeded"),)))


@pytest.mark.parametrize(
    ("local", "kind"),
    [(Outcome.INCOMPLETE, Kind.REFUND_DRIFT), (Outcome.REFUNDED, Kind.REFUND_MISSING)],
)
def test_what_stripe_does_not_show_is_not_guessed(local: Outcome, kind: Kind) -> None:
    """Neither a release nor a refund is assumed: nothing is written, and the reason says why."""
    decision = decide(released(local, UNCLEAR), rules(), NOW)
    assert isinstance(decision, Flag)
    assert (decision.findings[0].kind, decision.findings[0].reason) == (
        kind,
        Reason.RELEASE_OR_REFUND,
    )


def test_a_whole_refund_that_is_unclear_is_not_guessed_either() -> None:
    """More than was captured went back by the charge's word, and the refunds do not add up."""
    seen = intent_of(
        Outcome.SUCCEEDED,
        amount_received=200,
        charge=charge(amount_captured=200, amount_refunded=AMOUNT - 200),
    )
    decision = decide(
        match_of(seen, payment(Outcome.SUCCEEDED, amount=200), facts=UNCLEAR), rules(), NOW
    )
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.RELEASE_OR_REFUND
    assert decision.findings[0].stake.amount == 200


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        (Question.REFUNDS, MatchFacts()),
        (Question.BALANCE, MatchFacts(refunds=RefundFacts((Refund("re_1", 200, "succeeded"),)))),
    ],
)
def test_each_question_is_asked_when_it_decides(question: Question, facts: MatchFacts) -> None:
    """First the refunds, then the balance transaction, and only if the refunds do not decide."""
    with pytest.raises(FactNeededError) as needed:
        decide(released(Outcome.INCOMPLETE, facts), rules(), NOW)
    assert needed.value.question is question


@pytest.mark.parametrize(
    ("local", "status", "severity"),
    [
        (Outcome.SUCCEEDED, "lost", "critical"),
        (Outcome.SUCCEEDED, "needs_response", "warning"),
        (Outcome.SUCCEEDED, "warning_under_review", "info"),
        (Outcome.SUCCEEDED, "won", None),
        (Outcome.INCOMPLETE, "lost", "critical"),
        (Outcome.INCOMPLETE, "under_review", "critical"),
        (Outcome.INCOMPLETE, "warning_needs_response", "warning"),
        (Outcome.INCOMPLETE, "warning_closed", "corrected"),
        (Outcome.DISPUTED, "won", None),
    ],
)
def test_disputes_have_states(local: Outcome, status: str, severity: str | None) -> None:
    """The worst dispute decides; one that is over leaves the refund rules."""
    disputed = intent_of(Outcome.SUCCEEDED, charge=charge(disputed=True))
    facts = MatchFacts(disputes=(Dispute("dp_1", status, AMOUNT, "eur", CREATED),))
    decision = decide(match_of(disputed, payment(local), facts=facts), rules(), NOW)
    match decision:
        case Flag(findings=(found,)):
            assert (found.kind, found.severity) == (Kind.DISPUTE_DRIFT, severity)
        case Correct():
            assert severity == "corrected"
        case _:
            assert severity is None


@pytest.mark.parametrize("local", [Outcome.SUCCEEDED, Outcome.INCOMPLETE, Outcome.DISPUTED])
def test_a_dispute_that_is_not_listed_is_for_a_person(local: Outcome) -> None:
    """The charge says disputed and the list is empty: nothing is written."""
    disputed = intent_of(Outcome.SUCCEEDED, charge=charge(disputed=True))
    decision = decide(
        match_of(disputed, payment(local), facts=MatchFacts(disputes=())), rules(), NOW
    )
    assert isinstance(decision, Flag)
    assert decision.findings[0].reason is Reason.DISPUTE_NOT_LISTED


def test_disputes_are_asked_for_before_they_decide() -> None:
    """A charge that says disputed is not yet a finding."""
    disputed = intent_of(Outcome.SUCCEEDED, charge=charge(disputed=True))
    with pytest.raises(FactNeededError) as needed:
        decide(match_of(disputed, payment(Outcome.SUCCEEDED), facts=MatchFacts()), rules(), NOW)
    assert needed.value.question is Question.DISPUTES


def test_a_row_without_an_intent_that_says_paid_never_agrees_by_its_order() -> None:
    """It was paid in another way, and the intent of its order was paid too."""
    row = payment(Outcome.SUCCEEDED, payment_intent=None)
    decision = decide(match_of(PAID, row), LINKED, NOW)
    assert isinstance(decision, Flag)
    (found,) = decision.findings
    assert (found.kind, found.reason, found.severity) == (
        Kind.AMBIGUOUS_ROW,
        Reason.ROW_WITHOUT_INTENT,
        Severity.CRITICAL,
    )


def test_parts_of_which_one_was_refunded_agree() -> None:
    """All parts add up to what was received, and the refunded ones to what went back."""
    seen = intent_of(Outcome.SUCCEEDED, charge=charge(amount_refunded=100))
    parts = (
        payment(Outcome.SUCCEEDED, amount=AMOUNT - 100),
        payment(Outcome.REFUNDED, key="p2", amount=100),
    )
    assert not isinstance(decide(match_of(seen, *parts), rules(), NOW), Flag)


def test_parts_of_several_orders_are_not_released() -> None:
    """One intent for two orders was canceled: either of them may have been paid in another way."""
    rows_of_two = (
        payment(Outcome.INCOMPLETE, key="a", order="o1", amount=AMOUNT - 1),
        payment(Outcome.INCOMPLETE, key="b", order="o2", amount=1),
    )
    known = MatchFacts(order=OrderFacts(is_complete=True))
    match = match_of(intent_of(Outcome.CANCELED), *rows_of_two, order="o1", facts=known)
    decision = decide(match, LINKED, NOW)
    assert isinstance(decision, Flag)
    assert {found.reason for found in decision.findings} == {Reason.ORDER_NOT_KNOWN}

    of_one = tuple(replace(row, order="o1") for row in rows_of_two)
    same = decide(replace(match, payments=of_one), LINKED, NOW)
    assert isinstance(same, Correct)
    assert [row.key for row in same.payments] == ["a", "b"]


def test_the_other_part_of_a_payment_does_not_speak_against_it() -> None:
    """Both parts are canceled in one write, so the other part among the rows of the order is no second payment of it."""
    parts = (
        payment(Outcome.PROCESSING, key="a", order="o1", amount=AMOUNT - 1),
        payment(Outcome.PROCESSING, key="b", order="o1", amount=1),
    )
    known = MatchFacts(order=OrderFacts(rows=parts, is_complete=True))
    match = match_of(intent_of(Outcome.CANCELED), *parts, order="o1", facts=known)
    decision = decide(match, LINKED, NOW)
    assert isinstance(decision, Correct)
    assert [row.key for row in decision.payments] == ["a", "b"]
