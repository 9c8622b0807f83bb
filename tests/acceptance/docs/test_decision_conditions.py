"""The conditions beside the decision table stand in the reference as they are in the code: each row is tried."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts, UnmatchedPayment
from reconciler.domain.model.money_back import Refund, RefundFacts
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    WRITTEN,
    charge,
    dispute,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
)

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "decision-table.md"
Example = tuple[Match, Rules]

INCOMPLETE, FAILED, PROCESSING = Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING
AUTHORIZED, SUCCEEDED, CANCELED = Outcome.AUTHORIZED, Outcome.SUCCEEDED, Outcome.CANCELED
REFUNDED = Outcome.REFUNDED
LINKED = rules(link_metadata="order_id")
PART = AMOUNT // 3


def _charged(**changes: object) -> Intent:
    return intent_of(SUCCEEDED, charge=charge(**changes))


def _unclear() -> Intent:
    """Less was captured than was held, and the refunds add up to neither shape."""
    less = charge(amount_captured=AMOUNT - 300, amount_refunded=200)
    return intent_of(SUCCEEDED, charge=less, amount_received=AMOUNT - 300)


def _pair(local: Outcome, seen: Intent, **row: object) -> Example:
    facts = MatchFacts(
        refunds=RefundFacts((Refund("re_1", 77, "succeeded"),), None, balance_was_read=True),
        disputes=match_of(seen).facts.disputes,
        order=OrderFacts(is_complete=True),
    )
    return match_of(seen, payment(local, **row), facts=facts), rules()


def _with_disputes(example: Example, *statuses: str) -> Example:
    match, under = example
    facts = replace(match.facts, disputes=tuple(dispute(status) for status in statuses))
    return replace(match, facts=facts), under


MONEY: dict[tuple[str, str, str], Example] = {
    ("succeeded", "succeeded", "the currencies differ"): _pair(
        SUCCEEDED, intent_of(SUCCEEDED), currency="usd"
    ),
    ("succeeded", "succeeded", "the received amount is not the row's amount"): _pair(
        SUCCEEDED, intent_of(SUCCEEDED), amount=1
    ),
    ("succeeded", "succeeded", "the charge has a dispute that is not over"): _pair(
        SUCCEEDED, _charged(disputed=True)
    ),
    (
        "succeeded",
        "succeeded",
        "the charge says that it is disputed, and Stripe lists no dispute",
    ): _with_disputes(_pair(SUCCEEDED, _charged(disputed=True))),
    (
        "succeeded",
        "succeeded",
        "all of it was refunded, and some status of yours means refunded",
    ): _pair(SUCCEEDED, _charged(amount_refunded=AMOUNT, refunded=True)),
    ("authorized", "authorized", "the currencies of the hold differ"): _pair(
        AUTHORIZED, intent_of(AUTHORIZED), currency="usd"
    ),
    ("authorized", "authorized", "a part was captured"): _pair(
        AUTHORIZED, intent_of(AUTHORIZED, amount_received=1)
    ),
    ("authorized", "authorized", "the capturable amount is not the row's amount"): _pair(
        AUTHORIZED, intent_of(AUTHORIZED), amount=1
    ),
    ("canceled", "canceled", "money was received and not given back"): _pair(
        CANCELED, intent_of(CANCELED, amount_received=1)
    ),
    (
        "canceled",
        "succeeded",
        "a part of the money was not given back; if all of it was, the order has ended well",
    ): _pair(CANCELED, _charged(amount_refunded=1)),
    ("refunded", "succeeded", "less was given back than was received"): _pair(
        REFUNDED, _charged(amount_refunded=1)
    ),
    (
        "refunded",
        "succeeded",
        "Stripe does not show whether a part was refunded or released",
    ): _pair(REFUNDED, _unclear()),
    ("disputed", "succeeded", "there is no dispute, and never was"): _pair(
        Outcome.DISPUTED, intent_of(SUCCEEDED)
    ),
}


def _written(*outcomes: Outcome, kept: frozenset[Outcome] = frozenset()) -> Rules:
    statuses = rules().statuses
    write = {one: WRITTEN[one] for one in WRITTEN if one not in outcomes}
    return rules(statuses=replace(StatusMap(statuses.read, write), kept=kept))


BLOCKERS: dict[str, Example] = {
    "the currencies differ": _pair(INCOMPLETE, intent_of(SUCCEEDED), currency="usd"),
    "Stripe says succeeded, and the charge has a dispute that is not over": _pair(
        INCOMPLETE, _charged(disputed=True)
    ),
    "Stripe says succeeded, the charge says that it is disputed, and Stripe lists no dispute": (
        _with_disputes(_pair(INCOMPLETE, _charged(disputed=True)))
    ),
    "Stripe says succeeded, and the charge was refunded in full or in part": _pair(
        INCOMPLETE, _charged(amount_refunded=1)
    ),
    "Stripe says succeeded, and it does not show whether a part was refunded or released": _pair(
        INCOMPLETE, _unclear()
    ),
    "Stripe says authorized, and a part of the money was already captured": _pair(
        INCOMPLETE, intent_of(AUTHORIZED, amount_received=1)
    ),
    "Stripe says succeeded, and the received amount is not the row's amount": _pair(
        INCOMPLETE, intent_of(SUCCEEDED), amount=1
    ),
    "Stripe says authorized, and the capturable amount is not the row's amount": _pair(
        INCOMPLETE, intent_of(AUTHORIZED), amount=1
    ),
    "Stripe says canceled, and money was received": _pair(
        INCOMPLETE, intent_of(CANCELED, amount_received=1)
    ),
    "the row was found by its order, and the amounts differ": _pair(
        INCOMPLETE, intent_of(CANCELED), amount=1, payment_intent=None
    ),
    "several PaymentIntents, or several rows, come into question for an order": (
        replace(_pair(INCOMPLETE, intent_of(SUCCEEDED))[0], contested=True),
        rules(),
    ),
    "the row holds an earlier charge of the PaymentIntent": _pair(
        INCOMPLETE, intent_of(SUCCEEDED), stored_id="ch_0"
    ),
    "`payments.write` says keep for the outcome, and the row is processing or authorized": (
        _pair(AUTHORIZED, intent_of(CANCELED))[0],
        _written(CANCELED, kept=frozenset({CANCELED})),
    ),
    "`payments.write` has no value for the outcome": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED))[0],
        _written(SUCCEEDED),
    ),
    "the row has no PaymentIntent yet, and the configuration reads it by an SQL expression": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED), payment_intent=None)[0],
        rules(writes_intent=False),
    ),
}
OF_A_PERSON = "a person took this correction back, and nothing has changed since"
"""It depends on what is stored; the acceptance tests of reverts try it."""

LATER = CREATED + timedelta(minutes=15)


def _in_order(under: Rules = LINKED, local: Outcome = INCOMPLETE, **facts: object) -> Example:
    order = OrderFacts(**{"is_complete": True, **facts})  # type: ignore[arg-type]
    row = payment(local, order="o1")
    known = MatchFacts(order=order)
    return match_of(intent_of(CANCELED), row, order="o1", facts=known), under


def _maybe_paid() -> Example:
    match, _ = _in_order()
    paid = UnmatchedPayment("pi_9", AMOUNT, "eur", LATER)
    return replace(match, facts=replace(match.facts, unmatched_paid=(paid,))), rules()


def _open(age: timedelta) -> Intent:
    return intent_of(INCOMPLETE, id="pi_2", created=NOW - age)


def _before_an_open_one(age: timedelta) -> Example:
    match, under = _in_order(intents=(_open(age),))
    own = intent_of(CANCELED, created=NOW - age, canceled_at=NOW - timedelta(hours=1))
    return replace(match, intent=own), under


ORDERS: dict[str, Example] = {
    "another PaymentIntent of the order, which no row holds, was paid or holds money": _in_order(
        intents=(intent_of(SUCCEEDED, id="pi_2", created=LATER),)
    ),
    "another row of the order is succeeded, authorized, processing or unknown": _in_order(
        rows=(payment(SUCCEEDED, key="p2", order="o1"),)
    ),
    "a PaymentIntent that another row holds was paid or holds money": _in_order(
        intents=(intent_of(SUCCEEDED, id="pi_2", created=LATER),), held=frozenset({"pi_2"})
    ),
    "another PaymentIntent of the order, younger than the row's own, can still be paid": (
        _before_an_open_one(timedelta(hours=2))
    ),
    "such a PaymentIntent can still be paid after a day": _before_an_open_one(timedelta(hours=30)),
    "the PaymentIntents of the order cannot be found out": _in_order(is_complete=False),
    "orders cannot be found, and a paid PaymentIntent without a row has the row's amount and"
    " currency": _maybe_paid(),
    "nothing of this": _in_order(),
}


def _rows(seen: Intent, *rows: tuple[Outcome, int]) -> Example:
    made = [payment(one, amount=amount, key=f"p{n}") for n, (one, amount) in enumerate(rows)]
    return match_of(seen, *made), rules()


SEVERAL: dict[str, tuple[Example, type[Decision]]] = {
    "same amount, currency and order, and all but one are failed or canceled": (
        _rows(intent_of(SUCCEEDED), (FAILED, AMOUNT), (INCOMPLETE, AMOUNT)),
        Correct,
    ),
    "one outcome, one currency, and their amounts add up to the PaymentIntent's": (
        _rows(intent_of(SUCCEEDED), (INCOMPLETE, PART), (INCOMPLETE, AMOUNT - PART)),
        Correct,
    ),
    "some succeeded and some refunded, and they add up to what was received and what was refunded": (
        _rows(_charged(amount_refunded=PART), (REFUNDED, PART), (SUCCEEDED, AMOUNT - PART)),
        Keep,
    ),
    "the status of one of them is unknown": (
        _rows(intent_of(SUCCEEDED), (Outcome.UNKNOWN, AMOUNT), (INCOMPLETE, AMOUNT)),
        Flag,
    ),
    "no money was taken or is held, and the table says keep for each of them": (
        _rows(intent_of(INCOMPLETE), (INCOMPLETE, AMOUNT), (INCOMPLETE, AMOUNT)),
        Keep,
    ),
    "anything else": (
        _rows(intent_of(SUCCEEDED), (SUCCEEDED, AMOUNT), (SUCCEEDED, AMOUNT)),
        Flag,
    ),
}


def _without_row(*excluded: Payment) -> Example:
    match = match_of(intent_of(SUCCEEDED))
    return replace(match, facts=replace(match.facts, excluded_rows=excluded)), rules()


ONE_SIDE: dict[str, Example] = {
    "Stripe received or holds money, and no row holds the PaymentIntent": _without_row(),
    "the row that holds it is outside the mapping, and does not say paid": _without_row(
        payment(INCOMPLETE, excluded=True)
    ),
    "a row outside the mapping holds it and says paid, refunded or disputed": _without_row(
        payment(SUCCEEDED, excluded=True)
    ),
    "a row of its order was settled without a PaymentIntent": _pair(
        SUCCEEDED, intent_of(SUCCEEDED), payment_intent=None
    ),
    "Stripe does not know the id that a row holds": (
        match_of(missing(), payment(SUCCEEDED)),
        rules(),
    ),
    "Stripe says that the id exists in the other mode": (
        match_of(missing(other_mode=True), payment(SUCCEEDED)),
        rules(),
    ),
}


def _table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its title."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def _assert_is_as_said(decision: Decision, said: str) -> None:
    words = re.findall(r"`(\w+)`", said)
    kinds = [word for word in words if word in set(Kind)]
    if not kinds:
        kind = Wait if "waits" in said else Correct if "corrected" in said else Keep
        assert isinstance(decision, kind), said
        return
    found = _pair_finding(decision)
    reasons = [word for word in words if word in set(Reason)]
    assert [found.kind.value] == kinds, said
    assert found.reason == (reasons[0] if reasons else None), said
    assert (found.severity.value == "critical") or "critical" not in said


def _pair_finding(decision: Decision) -> Finding:
    assert isinstance(decision, Flag)
    (found,) = (one for one in decision.findings if not one.kind.is_side)
    return found


def test_the_money_must_agree_as_the_page_says() -> None:
    """Each row of the page has an example, each example a row, and the decision is the page's."""
    rows = {
        (local, stripe, condition): said
        for local, stripe, condition, said in _table("When the money must agree")
    }
    assert set(rows) == set(MONEY)
    for row, said in rows.items():
        match, under = MONEY[row]
        assert [one.outcome.value for one in match.payments] == [row[0]]
        assert isinstance(match.intent, Intent)
        assert match.intent.outcome.value == row[1]
        _assert_is_as_said(decide(match, under, NOW), said)


def test_what_blocks_a_correction_is_on_the_page() -> None:
    """Each blocker has an example, in the order of the page."""
    rows = dict(_table("What blocks a correction"))
    assert list(rows) == [*BLOCKERS, OF_A_PERSON]
    for condition, (match, under) in BLOCKERS.items():
        _assert_is_as_said(decide(match, under, NOW), rows[condition])
    assert "`reverted`" in rows[OF_A_PERSON]


def test_what_an_order_allows_is_on_the_page() -> None:
    """What is known of an order decides about a negative write as the page says."""
    rows = dict(_table("Before a row becomes failed or canceled"))
    assert list(rows) == list(ORDERS)
    for condition, (match, under) in ORDERS.items():
        _assert_is_as_said(decide(match, under, NOW), rows[condition])


def test_how_several_rows_are_read_is_on_the_page() -> None:
    """Attempts and parts are corrected, what agrees is kept, and everything else is one finding."""
    rows = dict(_table("Several rows with one PaymentIntent"))
    assert list(rows) == list(SEVERAL)
    for condition, ((match, under), expected) in SEVERAL.items():
        decision = decide(match, under, NOW)
        assert isinstance(decision, expected), condition
        if isinstance(decision, Flag):
            assert f"`{_pair_finding(decision).kind.value}`" in rows[condition]


def test_what_stands_on_one_side_is_on_the_page() -> None:
    """A payment without a row, and a row without a payment, are decided as the page says."""
    rows = dict(_table("On one side only"))
    assert list(rows) == list(ONE_SIDE)
    for condition, (match, under) in ONE_SIDE.items():
        _assert_is_as_said(decide(match, under, NOW), rows[condition])


def test_every_kind_and_reason_is_on_the_page() -> None:
    """No pair kind and no reason is left out, but for one that no sweep finds any more."""
    page = PAGE.read_text(encoding="utf-8")
    kinds = {one.value for one in Kind if not one.is_side}
    reasons = {one.value for one in Reason} - {Reason.NOT_AN_ID.value}
    assert {word for word in kinds | reasons if f"`{word}`" not in page} == set()
