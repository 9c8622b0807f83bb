"""The kinds of discrepancies: when each is found, how severe it is and how much money is at stake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.intent import Intent, MissingIntent, NextAction
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from tests.unit.domain.samples import (
    AMOUNT,
    HORIZON,
    LOCAL_STATUS,
    NOW,
    WRITTEN,
    charge,
    intent,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
    sibling,
)

INCOMPLETE, PROCESSING, AUTHORIZED, SUCCEEDED, CANCELED = (
    Outcome.INCOMPLETE,
    Outcome.PROCESSING,
    Outcome.AUTHORIZED,
    Outcome.SUCCEEDED,
    Outcome.CANCELED,
)


def found_in(decision: Decision) -> tuple[Finding, ...]:
    """The findings of a decision; none if it keeps."""
    return decision.findings if isinstance(decision, Correct | Flag) else ()


def _pair(local: Outcome, seen: Intent | MissingIntent, **row: object) -> Match:
    return match_of(seen, payment(local, **row))


def _old(local: Outcome, seen: Intent) -> Match:
    return _pair(local, seen, created=NOW - HORIZON - timedelta(days=1))


PART = AMOUNT - 1200
"""A part of the amount."""
OTHER_CHARGE = charge(amount_refunded=1200)
_TRANSFER = NextAction("display_bank_transfer_instructions", amount_remaining=AMOUNT - PART)

KINDS: dict[str, tuple[Match, Kind, str, int]] = {
    "a missed webhook": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED)),
        Kind.MISSED_OUTCOME,
        "warning",
        AMOUNT,
    ),
    "paid in the table, open at Stripe": (
        _pair(SUCCEEDED, intent_of(INCOMPLETE)),
        Kind.CONTRADICTED,
        "critical",
        AMOUNT,
    ),
    "paid in the table, a part captured at Stripe": (
        _pair(SUCCEEDED, intent_of(AUTHORIZED, amount_received=PART)),
        Kind.CONTRADICTED,
        "critical",
        PART,
    ),
    "refunded in the table, canceled at Stripe": (
        _pair(Outcome.REFUNDED, intent_of(CANCELED)),
        Kind.CONTRADICTED,
        "critical",
        AMOUNT,
    ),
    "canceled in the table, paid at Stripe": (
        _pair(CANCELED, intent_of(SUCCEEDED, amount_received=PART)),
        Kind.PAID_AFTER_CANCEL,
        "critical",
        PART,
    ),
    "canceled in the table, held at Stripe": (
        _pair(CANCELED, intent_of(AUTHORIZED)),
        Kind.PAID_AFTER_CANCEL,
        "critical",
        AMOUNT,
    ),
    "the intent went back": (
        _pair(AUTHORIZED, intent_of(Outcome.FAILED)),
        Kind.REGRESSED,
        "warning",
        AMOUNT,
    ),
    "other currency": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED), currency="usd"),
        Kind.CURRENCY_MISMATCH,
        "warning",
        AMOUNT,
    ),
    "other currency of a paid row": (
        _pair(SUCCEEDED, intent_of(SUCCEEDED), currency="usd"),
        Kind.CURRENCY_MISMATCH,
        "critical",
        AMOUNT,
    ),
    "no currency of a paid row": (
        _pair(SUCCEEDED, intent_of(SUCCEEDED), currency=None),
        Kind.CURRENCY_MISMATCH,
        "critical",
        AMOUNT,
    ),
    "paid too little": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED, amount_received=PART)),
        Kind.AMOUNT_MISMATCH,
        "warning",
        1200,
    ),
    "paid too much": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED), amount=PART),
        Kind.AMOUNT_MISMATCH,
        "warning",
        1200,
    ),
    "held too little": (
        _pair(INCOMPLETE, intent_of(AUTHORIZED, amount_capturable=PART)),
        Kind.AMOUNT_MISMATCH,
        "warning",
        1200,
    ),
    "canceled with money taken": (
        _pair(AUTHORIZED, intent_of(CANCELED, amount_received=PART)),
        Kind.AMOUNT_MISMATCH,
        "warning",
        PART,
    ),
    "paid row of another amount": (
        _pair(SUCCEEDED, intent_of(SUCCEEDED), amount=PART),
        Kind.AMOUNT_MISMATCH,
        "critical",
        1200,
    ),
    "an amount that is missing is not zero": (
        _pair(SUCCEEDED, intent_of(SUCCEEDED), amount=None),
        Kind.AMOUNT_MISMATCH,
        "critical",
        AMOUNT,
    ),
    "captured in parts": (
        _pair(INCOMPLETE, intent_of(AUTHORIZED, amount_received=PART, amount_capturable=1200)),
        Kind.PARTIALLY_CAPTURED,
        "warning",
        PART,
    ),
    "refunded before the row followed": (
        _pair(INCOMPLETE, intent_of(SUCCEEDED, charge=OTHER_CHARGE)),
        Kind.REFUND_DRIFT,
        "critical",
        1200,
    ),
    "refunded after it was paid": (
        _pair(
            SUCCEEDED, intent_of(SUCCEEDED, charge=charge(refunded=True, amount_refunded=AMOUNT))
        ),
        Kind.REFUND_DRIFT,
        "warning",
        AMOUNT,
    ),
    "disputed before the row followed": (
        _pair(PROCESSING, intent_of(SUCCEEDED, charge=charge(disputed=True))),
        Kind.DISPUTE_DRIFT,
        "critical",
        AMOUNT,
    ),
    "disputed after it was paid": (
        _pair(SUCCEEDED, intent_of(SUCCEEDED, charge=charge(disputed=True))),
        Kind.DISPUTE_DRIFT,
        "warning",
        AMOUNT,
    ),
    "two rows": (
        match_of(intent_of(SUCCEEDED), payment(INCOMPLETE), payment(SUCCEEDED, key="p2")),
        Kind.AMBIGUOUS_ROW,
        "warning",
        AMOUNT,
    ),
    "two rows, and none says paid": (
        match_of(intent_of(SUCCEEDED), payment(INCOMPLETE), payment(INCOMPLETE, key="p2")),
        Kind.AMBIGUOUS_ROW,
        "critical",
        AMOUNT,
    ),
    "refunded here and not there": (
        _pair(Outcome.REFUNDED, intent_of(SUCCEEDED, charge=charge(amount_refunded=AMOUNT - PART))),
        Kind.REFUND_MISSING,
        "critical",
        PART,
    ),
    "a transfer that came in part": (
        _pair(INCOMPLETE, intent("requires_action", next_action=_TRANSFER)),
        Kind.PARTIALLY_FUNDED,
        "warning",
        PART,
    ),
    "a transfer that came in part for a canceled row": (
        _pair(Outcome.CANCELED, intent("requires_action", next_action=_TRANSFER)),
        Kind.PARTIALLY_FUNDED,
        "critical",
        PART,
    ),
    "held less than the row says": (
        _pair(AUTHORIZED, intent_of(AUTHORIZED, amount_capturable=AMOUNT - PART)),
        Kind.AMOUNT_MISMATCH,
        "warning",
        PART,
    ),
    "money kept of a canceled payment": (
        _pair(Outcome.CANCELED, intent_of(Outcome.CANCELED, amount_received=PART)),
        Kind.AMOUNT_MISMATCH,
        "critical",
        PART,
    ),
    "paid after a cancel, and refunded in part": (
        _pair(Outcome.CANCELED, intent_of(SUCCEEDED, charge=charge(amount_refunded=AMOUNT - PART))),
        Kind.PAID_AFTER_CANCEL,
        "critical",
        PART,
    ),
    "a contested link": (
        match_of(intent_of(SUCCEEDED), payment(INCOMPLETE, payment_intent=None), contested=True),
        Kind.AMBIGUOUS_ROW,
        "critical",
        AMOUNT,
    ),
    "paid without a row": (
        match_of(intent_of(SUCCEEDED, amount_received=PART)),
        Kind.MISSING_LOCALLY,
        "critical",
        PART,
    ),
    "held without a row": (
        match_of(intent_of(AUTHORIZED, amount_capturable=PART)),
        Kind.MISSING_LOCALLY,
        "critical",
        PART,
    ),
    "captured in parts without a row": (
        match_of(intent_of(AUTHORIZED, amount_received=PART, amount_capturable=1200)),
        Kind.MISSING_LOCALLY,
        "critical",
        PART,
    ),
    "not at Stripe": (
        _pair(INCOMPLETE, missing(), amount=PART),
        Kind.MISSING_AT_STRIPE,
        "warning",
        PART,
    ),
    "paid and not at Stripe": (
        _pair(SUCCEEDED, missing(), amount=PART),
        Kind.MISSING_AT_STRIPE,
        "critical",
        PART,
    ),
    "paid twice": (
        match_of(intent_of(SUCCEEDED), payment(SUCCEEDED), order="o1", siblings=(sibling("pi_0"),)),
        Kind.DUPLICATE_PAYMENT,
        "critical",
        AMOUNT,
    ),
    "an authorization that ends": (
        _pair(
            AUTHORIZED,
            intent_of(
                AUTHORIZED,
                amount_capturable=PART,
                charge=charge(capture_before=NOW + timedelta(hours=23)),
            ),
            amount=PART,
        ),
        Kind.CAPTURE_EXPIRING,
        "warning",
        PART,
    ),
    "a bank that does not answer": (
        _pair(PROCESSING, intent_of(PROCESSING, method="card")),
        Kind.OVERDUE,
        "info",
        AMOUNT,
    ),
    "nothing more to come": (
        _old(AUTHORIZED, intent_of(AUTHORIZED, charge=charge())),
        Kind.EXHAUSTED,
        "warning",
        AMOUNT,
    ),
    "an unknown local value": (
        _pair(Outcome.UNKNOWN, intent_of(SUCCEEDED)),
        Kind.UNKNOWN_STATUS,
        "warning",
        AMOUNT,
    ),
    "an unknown status at Stripe": (
        _pair(SUCCEEDED, intent_of(Outcome.UNKNOWN)),
        Kind.UNKNOWN_STATUS,
        "warning",
        AMOUNT,
    ),
    "an unknown status without a row": (
        match_of(intent_of(Outcome.UNKNOWN)),
        Kind.UNKNOWN_STATUS,
        "warning",
        AMOUNT,
    ),
    "an unknown local value, not at Stripe": (
        _pair(Outcome.UNKNOWN, missing(), amount=PART),
        Kind.UNKNOWN_STATUS,
        "warning",
        PART,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_has_its_severity_and_its_money(name: str) -> None:
    """Each example has one finding, with the documented severity and money at stake of its kind."""
    match, kind, severity, stake = KINDS[name]
    (found,) = found_in(decide(match, rules(), NOW))
    assert (found.kind, found.severity.value, found.stake.amount) == (kind, severity, stake)
    assert found.stake.currency == "eur"
    assert found.payment_intent == match.intent.id
    assert found.keys == match.keys


def test_every_kind_has_an_example() -> None:
    """Every kind and every severity is tried."""
    # an order paid by another intent needs an order: see test_order_of_row
    assert {kind for _, kind, _, _ in KINDS.values()} == set(Kind) - {Kind.PAID_BY_OTHER_INTENT}
    assert {severity for _, _, severity, _ in KINDS.values()} == {item.value for item in Severity}


def test_side_kinds_are_those_that_may_stand_beside() -> None:
    """These four kinds may stand beside another finding."""
    assert {kind.value for kind in Kind if kind.is_side} == {
        "duplicate_payment",
        "capture_expiring",
        "overdue",
        "exhausted",
        "partially_funded",
    }


@pytest.mark.parametrize("local", [outcome for outcome in Outcome if outcome.is_open])
def test_drift_of_every_open_row_is_critical(local: Outcome) -> None:
    """Money went back while the merchant still waits for it."""
    for seen in (charge(disputed=True), charge(amount_refunded=1)):
        (found,) = found_in(decide(_pair(local, intent_of(SUCCEEDED, charge=seen)), rules(), NOW))
        assert found.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    "local", [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]
)
@pytest.mark.parametrize("other_mode", [True, False])
def test_a_404_is_critical_only_for_a_paid_row(local: Outcome, other_mode: bool) -> None:
    """It is critical if the row is succeeded, and its reason says if Stripe names the other mode."""
    (found,) = found_in(decide(_pair(local, missing(other_mode=other_mode)), rules(), NOW))
    assert found.kind is Kind.MISSING_AT_STRIPE
    assert (found.severity is Severity.CRITICAL) == (local is SUCCEEDED)
    assert found.reason == ("wrong_mode" if other_mode else None)
    assert found.evidence["request_id"] == "req_404"


@pytest.mark.parametrize("local", list(Outcome))
def test_text_that_cannot_be_an_id_is_no_finding(local: Outcome) -> None:
    """Stripe was not asked, so the text says nothing about the row."""
    assert decide(_pair(local, missing(impossible=True)), rules(), NOW) == Keep()


def test_a_404_without_an_amount_has_nothing_at_stake() -> None:
    """A row without amount and currency is flagged too."""
    (found,) = found_in(
        decide(_pair(SUCCEEDED, missing(), amount=None, currency=None), rules(), NOW)
    )
    assert (found.kind, found.stake.amount) == (Kind.MISSING_AT_STRIPE, 0)


def test_a_404_without_a_row_is_no_finding() -> None:
    """It says nothing about money, and no row is concerned."""
    assert decide(match_of(missing()), rules(), NOW) == Keep()


def _both_paid(row: Payment, seen: Intent, *, can_say_refunded: bool = True) -> str:
    read = dict(LOCAL_STATUS)
    if not can_say_refunded:
        del read[Outcome.REFUNDED]
    statuses = StatusMap({value: outcome for outcome, value in read.items()}, WRITTEN)
    found = found_in(decide(match_of(seen, row), rules(statuses=statuses), NOW))
    assert len(found) <= 1
    return found[0].kind.value if found else "keep"


FULL = charge(refunded=True, amount_refunded=AMOUNT)


@pytest.mark.parametrize(
    ("seen", "row", "can_say_refunded", "expected"),
    [
        (intent_of(SUCCEEDED), {}, True, "keep"),
        (intent_of(SUCCEEDED, charge=None), {}, True, "keep"),
        (intent_of(SUCCEEDED, amount=AMOUNT + 5), {}, True, "keep"),
        (intent_of(SUCCEEDED, amount_received=AMOUNT + 5), {}, True, "amount_mismatch"),
        (intent_of(SUCCEEDED), {"currency": "usd", "amount": 1}, True, "currency_mismatch"),
        (
            intent_of(SUCCEEDED, charge=charge(disputed=True)),
            {"amount": 1},
            True,
            "amount_mismatch",
        ),
        (intent_of(SUCCEEDED, charge=charge(disputed=True)), {}, False, "dispute_drift"),
        (
            intent_of(SUCCEEDED, charge=charge(disputed=True, refunded=True)),
            {},
            True,
            "dispute_drift",
        ),
        (intent_of(SUCCEEDED, charge=FULL), {}, True, "refund_drift"),
        (intent_of(SUCCEEDED, charge=FULL), {}, False, "keep"),
        (intent_of(SUCCEEDED, charge=charge(amount_refunded=1200)), {}, True, "keep"),
    ],
)
def test_both_sides_paid(
    seen: Intent, row: dict[str, object], can_say_refunded: bool, expected: str
) -> None:
    """Currency and received amount must agree. A dispute is drift, and a full refund is if the table has a status for it."""
    assert (
        _both_paid(payment(SUCCEEDED, **row), seen, can_say_refunded=can_say_refunded) == expected
    )


@pytest.mark.parametrize("local", [Outcome.REFUNDED, Outcome.DISPUTED])
def test_a_refunded_or_disputed_row_is_kept(local: Outcome) -> None:
    """Stripe's intent stays succeeded after a refund or a dispute, so the row agrees with every amount."""
    seen = intent_of(SUCCEEDED, charge=charge(disputed=True, refunded=True, amount_refunded=AMOUNT))
    assert decide(_pair(local, seen, amount=1, currency="usd"), rules(), NOW) == Keep()


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_paid_held_and_unknown_intents_are_findings_without_a_row(outcome: Outcome) -> None:
    """An intent that took no money needs no row."""
    if outcome in {Outcome.REFUNDED, Outcome.DISPUTED}:
        return
    kinds = [found.kind for found in found_in(decide(match_of(intent_of(outcome)), rules(), NOW))]
    expected = {
        SUCCEEDED: [Kind.MISSING_LOCALLY],
        AUTHORIZED: [Kind.MISSING_LOCALLY],
        Outcome.UNKNOWN: [Kind.UNKNOWN_STATUS],
    }
    assert kinds == expected.get(outcome, [])


@pytest.mark.parametrize(
    ("metadata", "is_owned"),
    [
        ({}, False),
        ({"app": "shop"}, False),
        ({"app": "shop", "env": "live"}, True),
        ({"app": "shop", "env": "live", "more": "x"}, True),
        ({"app": "Shop", "env": "live"}, False),
        ({"app": "shop", "env": ""}, False),
    ],
)
@pytest.mark.parametrize("outcome", [SUCCEEDED, AUTHORIZED, Outcome.UNKNOWN])
def test_the_metadata_filter_says_which_intents_concern_the_table(
    metadata: dict[str, str], is_owned: bool, outcome: Outcome
) -> None:
    """Without a row an intent counts only with all of the configured metadata; with a row it always counts."""
    under = rules(metadata={"app": "shop", "env": "live"})
    seen = intent_of(outcome, metadata=metadata)
    assert bool(found_in(decide(match_of(seen), under, NOW))) == is_owned
    assert found_in(decide(match_of(seen, payment(INCOMPLETE)), under, NOW))


@pytest.mark.parametrize(
    ("metadata", "is_owned"),
    [
        ({}, False),
        ({"app": "shop"}, False),
        ({"app": "shop", "order": "7"}, True),
        ({"order": "7"}, False),
    ],
)
def test_a_key_of_the_metadata_with_any_value(metadata: dict[str, str], is_owned: bool) -> None:
    """A key without a configured value has to be there, beside a key whose value is configured."""
    under = rules(metadata={"order": None, "app": "shop"})
    seen = intent_of(SUCCEEDED, metadata=metadata)
    assert bool(found_in(decide(match_of(seen), under, NOW))) == is_owned


def test_evidence_has_what_a_person_wants_to_read() -> None:
    """The evidence holds Stripe's request id, the intent's facts and the charge with its failure code."""
    seen = intent_of(Outcome.FAILED)
    (found,) = found_in(decide(_pair(AUTHORIZED, seen), rules(), NOW))
    assert found.evidence["request_id"] == "req_1"
    assert found.evidence["failure_code"] == "card_declined"
    charged = found.evidence["charge"]
    assert isinstance(charged, dict)
    assert charged["failure_code"] == "card_declined"
    waiting = intent("requires_action")
    (found,) = found_in(decide(_pair(SUCCEEDED, waiting), rules(), NOW))
    assert found.evidence["charge"] is None
