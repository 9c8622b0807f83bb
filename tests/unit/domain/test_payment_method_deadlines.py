"""Deadlines: how long each payment method may be silent, and what stands beside a pair's own finding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent, NextAction
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Keep, decide
from reconciler.domain.rules.payment_method_deadlines import (
    add_business_days,
    capture_is_expiring,
    is_overdue,
    known_deadline,
    processing_deadline,
    voucher_deadline,
)
from tests.unit.domain.samples import (
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

MOMENT = timedelta(microseconds=1)


def _day(day: int, hour: int = 9) -> datetime:
    """June 2026, of which the first is a Monday."""
    return datetime(2026, 6, day, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (_day(1), 0, _day(1)),
        (_day(1), 1, _day(2)),
        (_day(1), 4, _day(5)),
        (_day(1), 5, _day(8)),
        (_day(5), 1, _day(8)),
        (_day(6), 1, _day(8)),
        (_day(7), 1, _day(8)),
        (_day(7), 0, _day(7)),
        (_day(4), 3, _day(9)),
        (_day(1), 14, _day(19)),
        (_day(1), 15, _day(22)),
        (_day(5), 2, _day(9)),
    ],
)
def test_business_days_leave_out_weekends(start: datetime, days: int, end: datetime) -> None:
    """Monday to Friday, at the same time of day; what begins on a weekend begins to count on Monday."""
    assert add_business_days(start, days) == end


@given(st.integers(0, 100_000), st.integers(1, 30))
def test_business_days_are_counted_one_by_one(hours: int, days: int) -> None:
    """Between start and end lie exactly so many weekdays, and the end is one."""
    begin = _day(1) + timedelta(hours=hours)
    end = add_business_days(begin, days)
    passed = [begin + timedelta(days=n) for n in range(1, (end - begin).days + 1)]
    assert sum(day.isoweekday() <= 5 for day in passed) == days
    assert end.isoweekday() <= 5
    assert end.time() == begin.time()


START = _day(1)
LIMITS = {
    "card": START + timedelta(hours=1),
    "us_bank_account": _day(9),
    "sepa_debit": _day(19),
    "bacs_debit": _day(10),
    "au_becs_debit": _day(4),
    "nz_bank_account": _day(3),
    "klarna": _day(22),
    "acss_debit": _day(22),
    None: _day(22),
}
"""The moment until which a payment of Monday, June 1st, may be processing."""


@pytest.mark.parametrize(("method", "deadline"), LIMITS.items())
def test_each_method_has_its_time(method: str | None, deadline: datetime) -> None:
    """Processing is overdue when it has lasted longer than its method takes, not before."""
    seen = intent("processing", created=START, charge=None, method=method)
    assert processing_deadline(seen) == deadline
    assert not is_overdue(seen, deadline - SECOND)
    assert not is_overdue(seen, deadline)
    assert is_overdue(seen, deadline + MOMENT)


@pytest.mark.parametrize(
    ("created", "charged", "start"),
    [(_day(1), _day(3), _day(3)), (_day(3), _day(1), _day(3)), (_day(3), None, _day(3))],
)
def test_the_time_begins_with_the_later_of_intent_and_charge(
    created: datetime, charged: datetime | None, start: datetime
) -> None:
    """A cart may be days old when its customer pays at last."""
    attempt = None if charged is None else charge(created=charged)
    seen = intent("processing", created=created, charge=attempt, method="nz_bank_account")
    assert processing_deadline(seen) == add_business_days(start, 2)


def _voucher(expires_at: datetime | None, status: str = "requires_action", **more: Any) -> Intent:
    action = NextAction("boleto_display_details", expires_at)
    return intent(status, method="boleto", next_action=action, **more)


def test_a_voucher_is_overdue_three_business_days_after_its_expiry() -> None:
    """It may be paid on its last day, and the bank tells of it later; a weekend does not count."""
    friday = _day(5)
    seen = _voucher(friday)
    assert voucher_deadline(seen) == _day(10)
    assert not is_overdue(seen, _day(10))
    assert is_overdue(seen, _day(10) + MOMENT)


@pytest.mark.parametrize(
    "seen",
    [
        intent("requires_action"),
        intent("requires_action", next_action=NextAction("use_stripe_sdk")),
        intent("requires_action", next_action=None),
        intent("requires_payment_method"),
        intent("requires_payment_method", failed=True),
        intent("requires_confirmation"),
        _voucher(None),
        _voucher(_day(1), status="requires_payment_method"),
        _voucher(_day(1), status="requires_confirmation"),
        *(
            intent_of(outcome)
            for outcome in (Outcome.AUTHORIZED, Outcome.SUCCEEDED, Outcome.CANCELED)
        ),
        intent_of(Outcome.UNKNOWN),
    ],
    ids=lambda seen: f"{seen.status} {seen.method}",
)
def test_what_nobody_has_paid_is_never_overdue(seen: Intent) -> None:
    """A card in requires_action, a cart, a voucher without an expiry: however old, nothing is late."""
    assert not is_overdue(seen, NOW + timedelta(days=3650))


def test_what_is_still_to_be_expected() -> None:
    """A known deadline follows from the bank, the authorization or the voucher; elsewhere there is none."""
    until = _day(20)
    held = charge(capture_before=until)
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=held)) == until
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=charge())) is None
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=None)) is None
    debit = intent("processing", created=START, charge=None, method="sepa_debit")
    assert known_deadline(debit) == _day(19)
    assert known_deadline(_voucher(_day(5))) == _day(10)
    for outcome in (Outcome.INCOMPLETE, Outcome.FAILED, Outcome.SUCCEEDED, Outcome.CANCELED):
        assert known_deadline(intent_of(outcome)) is None
    assert known_deadline(intent_of(Outcome.UNKNOWN)) is None


@pytest.mark.parametrize(
    ("ahead", "expiring"),
    [
        (timedelta(hours=24), False),
        (timedelta(hours=24) + SECOND, False),
        (timedelta(hours=24) - MOMENT, True),
        (SECOND, True),
        (-SECOND, True),
    ],
)
def test_an_authorization_that_ends_within_a_day(ahead: timedelta, expiring: bool) -> None:
    """Less than 24 hours before capture_before; exactly 24 are enough."""
    held = charge(capture_before=NOW + ahead)
    assert capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=held), NOW) == expiring
    for outcome in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.PROCESSING):
        assert not capture_is_expiring(intent_of(outcome, charge=held), NOW)


def test_an_authorization_without_a_known_end_is_not_expiring() -> None:
    """No charge or no deadline is no ground for an alarm."""
    assert not capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=None), NOW)
    assert not capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=charge()), NOW)


AT_THE_BANK = {Outcome.PROCESSING, Outcome.AUTHORIZED}
UNPAID = {Outcome.INCOMPLETE, Outcome.FAILED}


def _beside(seen: Intent, local: Outcome, row_created: datetime | None) -> tuple[set[Kind], bool]:
    """Side findings, and whether the subject is only counted as abandoned."""
    decision = decide(match_of(seen, payment(local, created=row_created)), rules(), NOW)
    sides = {found.kind for found in found_in(decision) if found.kind.is_side}
    return sides, isinstance(decision, Keep) and decision.abandoned


@pytest.mark.parametrize(
    "stripe", [outcome for outcome in Outcome if outcome.value not in {"refunded", "disputed"}]
)
@pytest.mark.parametrize("local", list(Outcome))
def test_exhausted_and_abandoned_past_the_horizon(local: Outcome, stripe: Outcome) -> None:
    """Both sides at the bank: exhausted. Both sides unpaid: only counted. Everything else: neither."""
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
def test_the_horizon_is_counted_from_the_row(age: timedelta, past: bool) -> None:
    """The row's time decides, the intent's only where the row has none."""
    held = intent_of(Outcome.AUTHORIZED, charge=charge())
    assert (Kind.EXHAUSTED in _beside(held, Outcome.AUTHORIZED, NOW - age)[0]) == past
    assert _beside(intent_of(Outcome.INCOMPLETE), Outcome.INCOMPLETE, NOW - age)[1] == past
    old = intent_of(Outcome.AUTHORIZED, created=NOW - age, charge=charge())
    assert (Kind.EXHAUSTED in _beside(old, Outcome.AUTHORIZED, None)[0]) == past


@pytest.mark.parametrize(
    ("left", "past"), [(SECOND, False), (timedelta(0), False), (-MOMENT, True)]
)
def test_a_known_deadline_beyond_the_horizon_is_waited_for(left: timedelta, past: bool) -> None:
    """The later of horizon and known deadline counts, for authorizations and for vouchers."""
    long_ago = NOW - timedelta(days=90)
    held = charge(capture_before=NOW + left)
    seen = intent_of(Outcome.AUTHORIZED, charge=held)
    assert (Kind.EXHAUSTED in _beside(seen, Outcome.AUTHORIZED, long_ago)[0]) == past


def test_a_voucher_that_may_still_be_paid_is_not_abandoned() -> None:
    """Its deadline lies three business days after its expiry; past that it is overdue, which is said instead."""
    long_ago = NOW - timedelta(days=90)
    sides, abandoned = _beside(_voucher(NOW), Outcome.INCOMPLETE, long_ago)
    assert (sides, abandoned) == (set(), False)
    sides, abandoned = _beside(_voucher(NOW - timedelta(days=30)), Outcome.INCOMPLETE, long_ago)
    assert (sides, abandoned) == ({Kind.OVERDUE}, False)


def test_side_findings_stand_beside_a_correction() -> None:
    """A missed authorization that ends soon, of an old row: corrected, and both warnings kept."""
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
    """A bank that has not answered for three months, with the row of long ago."""
    long_ago = NOW - timedelta(days=90)
    seen = intent_of(Outcome.PROCESSING, created=long_ago, charge=None)
    assert _beside(seen, Outcome.PROCESSING, long_ago)[0] == {Kind.OVERDUE, Kind.EXHAUSTED}
    assert _beside(seen, Outcome.PROCESSING, CREATED)[0] == {Kind.OVERDUE}
