"""Findings that may stand beside the finding about a row and its intent."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent, NextAction
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Keep, decide
from reconciler.domain.rules.side_findings import amount_arrived
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    HORIZON,
    NOW,
    SECOND,
    charge,
    intent,
    intent_of,
    match_of,
    payment,
    rules,
)
from tests.unit.domain.test_discrepancy_kinds import found_in
from tests.unit.domain.test_payment_method_deadlines import MOMENT, voucher


def _transfer(remaining: int) -> NextAction:
    return NextAction("display_bank_transfer_instructions", amount_remaining=remaining)


AT_THE_BANK = {Outcome.PROCESSING, Outcome.AUTHORIZED}
UNPAID = {Outcome.INCOMPLETE, Outcome.FAILED}


def _beside(seen: Intent, local: Outcome, row_created: datetime | None) -> tuple[set[Kind], bool]:
    """The kinds of side findings, and whether the match is only counted as abandoned."""
    decision = decide(match_of(seen, payment(local, created=row_created)), rules(), NOW)
    sides = {found.kind for found in found_in(decision) if found.kind.is_side}
    return sides, isinstance(decision, Keep) and decision.abandoned


@pytest.mark.parametrize(
    "stripe", [outcome for outcome in Outcome if outcome.value not in {"refunded", "disputed"}]
)
@pytest.mark.parametrize("local", list(Outcome))
def test_exhausted_and_abandoned_past_the_horizon(local: Outcome, stripe: Outcome) -> None:
    """If both sides wait for the bank it is exhausted; if both are unpaid it is only counted; else it is neither."""
    seen = intent_of(stripe, created=NOW - timedelta(hours=3), charge=None)
    long_ago = NOW - timedelta(days=90)
    if stripe is Outcome.PROCESSING:
        seen = intent_of(stripe, created=long_ago, charge=None)
    sides, abandoned = _beside(seen, local, long_ago)
    assert (Kind.EXHAUSTED in sides) == (local in AT_THE_BANK and stripe in AT_THE_BANK)
    kept = {(one, one) for one in UNPAID} | {(Outcome.FAILED, Outcome.INCOMPLETE)}
    assert abandoned == ((local, stripe) in kept)


@pytest.mark.parametrize(
    ("age", "past"),
    [(HORIZON - SECOND, False), (HORIZON, False), (HORIZON + MOMENT, True)],
    ids=str,
)
def test_the_horizon_begins_with_the_row(age: timedelta, past: bool) -> None:
    """The row's time counts, and the intent's time only if the row has none."""
    held = intent_of(Outcome.AUTHORIZED, charge=charge())
    assert (Kind.EXHAUSTED in _beside(held, Outcome.AUTHORIZED, NOW - age)[0]) == past
    assert _beside(intent_of(Outcome.INCOMPLETE), Outcome.INCOMPLETE, NOW - age)[1] == past
    old = intent_of(Outcome.AUTHORIZED, created=NOW - age, charge=charge())
    assert (Kind.EXHAUSTED in _beside(old, Outcome.AUTHORIZED, None)[0]) == past


@pytest.mark.parametrize(
    ("left", "past"), [(SECOND, False), (timedelta(0), False), (-MOMENT, True)]
)
def test_a_known_deadline_after_the_horizon_counts(left: timedelta, past: bool) -> None:
    """The later of the horizon and the known deadline decides."""
    long_ago = NOW - timedelta(days=90)
    held = charge(capture_before=NOW + left)
    seen = intent_of(Outcome.AUTHORIZED, charge=held)
    assert (Kind.EXHAUSTED in _beside(seen, Outcome.AUTHORIZED, long_ago)[0]) == past


def test_a_voucher_that_may_still_be_paid_is_not_abandoned() -> None:
    """Its deadline lies three business days after its expiry. After that it is overdue instead of abandoned."""
    long_ago = NOW - timedelta(days=90)
    sides, abandoned = _beside(voucher(NOW), Outcome.INCOMPLETE, long_ago)
    assert (sides, abandoned) == (set(), False)
    sides, abandoned = _beside(voucher(NOW - timedelta(days=30)), Outcome.INCOMPLETE, long_ago)
    assert (sides, abandoned) == ({Kind.OVERDUE}, False)


def test_side_findings_stand_beside_a_correction() -> None:
    """An old row with a missed authorization that ends soon is corrected, and both side findings are reported."""
    held = charge(capture_before=NOW - SECOND)
    row = payment(Outcome.PROCESSING, created=NOW - timedelta(days=90))
    decision = decide(match_of(intent_of(Outcome.AUTHORIZED, charge=held), row), rules(), NOW)
    assert isinstance(decision, Correct)
    assert [found.kind for found in decision.findings] == [
        Kind.MISSED_OUTCOME,
        Kind.CAPTURE_EXPIRING,
        Kind.EXHAUSTED,
    ]


def test_overdue_and_exhausted_stand_beside_each_other() -> None:
    """The bank has not answered for three months, and the row is as old."""
    long_ago = NOW - timedelta(days=90)
    seen = intent_of(Outcome.PROCESSING, created=long_ago, charge=None)
    assert _beside(seen, Outcome.PROCESSING, long_ago)[0] == {Kind.OVERDUE, Kind.EXHAUSTED}
    assert _beside(seen, Outcome.PROCESSING, CREATED)[0] == {Kind.OVERDUE}


@pytest.mark.parametrize(
    ("status", "action", "arrived"),
    [
        ("requires_action", None, 0),
        ("requires_action", NextAction("display_bank_transfer_instructions"), 0),
        ("requires_action", _transfer(AMOUNT), 0),
        ("requires_action", _transfer(AMOUNT + 1), 0),
        ("requires_action", _transfer(AMOUNT - 1), 1),
        ("processing", _transfer(AMOUNT - 1), 0),
    ],
)
def test_what_a_bank_transfer_has_brought(
    status: str, action: NextAction | None, arrived: int
) -> None:
    """The amount without what remains, and only while the customer has to send more."""
    seen = intent(status, next_action=action)
    assert amount_arrived(seen) == arrived
