"""The time limits of payment methods, vouchers and authorizations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.intent import Intent, NextAction
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.payment_method_deadlines import (
    CAPTURE_WARNING,
    PROCESSING_LIMITS,
    CaptureDeadline,
    add_business_days,
    capture_deadline,
    capture_is_expiring,
    is_overdue,
    known_deadline,
    processing_deadline,
    voucher_deadline,
)
from tests.unit.domain.samples import (
    NOW,
    SECOND,
    charge,
    intent,
    intent_of,
)

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
def test_weekends_are_no_business_days(start: datetime, days: int, end: datetime) -> None:
    """Monday to Friday count, at the same time of day; a time on a weekend begins to count on Monday."""
    assert add_business_days(start, days) == end


@given(st.integers(0, 100_000), st.integers(1, 30))
def test_business_days_are_counted_one_by_one(hours: int, days: int) -> None:
    """Exactly this many weekdays lie between start and end, and the end is a weekday."""
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
    "acss_debit": _day(8),
    "payto": START + timedelta(hours=1),
    "card_present": START + timedelta(hours=1),
    "interac_present": START + timedelta(hours=1),
    "blik": _day(22),
    None: _day(22),
}
"""The moment until which a payment of Monday, June 1st, may be processing."""


@pytest.mark.parametrize(("method", "deadline"), LIMITS.items())
def test_each_method_has_its_time_limit(method: str | None, deadline: datetime) -> None:
    """A processing payment is overdue from the moment after its time limit."""
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
    """A cart may be days old when the customer pays."""
    attempt = None if charged is None else charge(created=charged)
    seen = intent("processing", created=created, charge=attempt, method="nz_bank_account")
    assert processing_deadline(seen) == add_business_days(start, 2)


def voucher(expires_at: datetime | None, status: str = "requires_action", **more: Any) -> Intent:
    action = NextAction("boleto_display_details", expires_at)
    return intent(status, method="boleto", next_action=action, **more)


def test_a_voucher_is_overdue_three_business_days_after_its_expiry() -> None:
    """It may be paid on its last day and be reported later; a weekend does not count."""
    friday = _day(5)
    seen = voucher(friday)
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
        voucher(None),
        voucher(_day(1), status="requires_payment_method"),
        voucher(_day(1), status="requires_confirmation"),
        *(
            intent_of(outcome)
            for outcome in (Outcome.AUTHORIZED, Outcome.SUCCEEDED, Outcome.CANCELED)
        ),
        intent_of(Outcome.UNKNOWN),
    ],
    ids=lambda seen: f"{seen.status} {seen.method}",
)
def test_an_unpaid_intent_without_an_expiry_is_never_overdue(seen: Intent) -> None:
    """A card in requires_action, a cart and a voucher without an expiry are not overdue at any age."""
    assert not is_overdue(seen, NOW + timedelta(days=3650))


def test_known_deadlines() -> None:
    """The bank, the authorization or the voucher gives a deadline; other intents have none."""
    until = _day(20)
    held = charge(capture_before=until)
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=held)) == until
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=charge())) is None
    assert known_deadline(intent_of(Outcome.AUTHORIZED, charge=None)) is None
    debit = intent("processing", created=START, charge=None, method="sepa_debit")
    assert known_deadline(debit) == _day(19)
    assert known_deadline(voucher(_day(5))) == _day(10)
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
def test_an_authorization_that_ends_within_a_day_is_expiring(
    ahead: timedelta, expiring: bool
) -> None:
    """It is expiring less than 24 hours before capture_before; exactly 24 hours are enough time."""
    held = charge(capture_before=NOW + ahead)
    assert capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=held), NOW) == expiring
    for outcome in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.PROCESSING):
        assert not capture_is_expiring(intent_of(outcome, charge=held), NOW)


def test_an_authorization_without_a_known_end_is_not_expiring() -> None:
    """Without a charge or capture_before there is no finding."""
    assert not capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=None), NOW)
    assert not capture_is_expiring(intent_of(Outcome.AUTHORIZED, charge=charge()), NOW)


DEFAULTED = {
    "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "bancontact", "billie", "blik",
    "boleto", "cashapp", "crypto", "custom", "customer_balance", "eps", "fpx", "giropay", "grabpay",
    "ideal", "kakao_pay", "klarna", "konbini", "kr_card", "link", "mb_way", "mobilepay",
    "multibanco", "naver_pay", "nz_bank_account", "oxxo", "p24", "pay_by_bank", "payco", "paynow",
    "paypal", "pix", "promptpay", "revolut_pay", "samsung_pay", "satispay", "sofort", "swish",
    "twint", "wechat_pay", "zip", "bizum", "paypay", "scalapay", "sequra", "sunbit", "upi",
}  # fmt: skip
"""Methods that answer at once, or for which Stripe names no time: the default is meant for them."""


def test_every_method_that_the_sdk_knows_was_thought_of() -> None:
    """A new payment method in Stripe's SDK is a decision: a time limit of its own, or the default."""
    (literal, _) = get_args(stripe.PaymentMethod.__annotations__["type"])
    known = set(get_args(literal))
    assert len(known) > 40
    assert known - set(PROCESSING_LIMITS) - DEFAULTED == set()


@pytest.mark.parametrize(
    ("method", "days"),
    [("klarna", 28), ("paypal", 10), ("card_present", 2), ("link", 7), (None, 7)],
)
def test_a_hold_without_capture_before_ends_by_the_documented_time(
    method: str | None, days: int
) -> None:
    """Stripe says capture_before for cards alone; the evidence says which of the two was used."""
    held = intent(
        "requires_capture",
        method=method,
        charge=charge(created=START, method=method, status="succeeded"),
    )
    deadline = capture_deadline(held)
    assert deadline == CaptureDeadline(START + timedelta(days=days), is_stripes=False)
    assert not capture_is_expiring(held, deadline.before - CAPTURE_WARNING)
    assert capture_is_expiring(held, deadline.before - CAPTURE_WARNING + SECOND)


def test_stripes_own_end_of_a_hold_comes_first() -> None:
    """What Stripe says of this charge is better than what its documentation says of the method."""
    until = START + timedelta(days=1)
    held = intent("requires_capture", charge=charge(created=START, capture_before=until))
    assert capture_deadline(held) == CaptureDeadline(until, is_stripes=True)
    assert capture_deadline(intent("succeeded")) is None
