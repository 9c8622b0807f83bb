"""The time limits of payment methods: how long SEPA, ACH, cards, vouchers and authorizations take at most.

Sources: Stripe's pages on bank debits, ACH direct debit, vouchers and placing a hold. Each limit is the longest time
that they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome

SATURDAY: Final = 5
"""``weekday()`` of the first day of the weekend."""
BUSINESS_DAYS: Final = 5
"""Business days in a week."""
_DAY: Final = timedelta(days=1)
CAPTURE_WARNING: Final = timedelta(hours=24)
"""How long before its end an authorization that is not captured becomes a finding."""
VOUCHER_DAYS: Final = 3
"""Business days after the expiry of a voucher in which Stripe may still report that it was paid."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a payment may be processing: hours, or business days (Monday to Friday in UTC)."""

    hours: int = 0
    business_days: int = 0

    def after(self, start: datetime) -> datetime:
        """The moment at which a limit that begins at ``start`` ends."""
        if self.business_days:
            return add_business_days(start, self.business_days)
        return start + timedelta(hours=self.hours)


PROCESSING_LIMITS: Final = {
    "card": Limit(hours=1),
    "card_present": Limit(hours=1),  # they settle like cards
    "interac_present": Limit(hours=1),
    "payto": Limit(hours=1),  # its final status comes typically within 60 seconds
    "acss_debit": Limit(business_days=5),
    "us_bank_account": Limit(business_days=6),  # 4 days, and 2 for microdeposits
    "sepa_debit": Limit(business_days=14),
    "bacs_debit": Limit(business_days=7),  # with a new mandate
    "au_becs_debit": Limit(business_days=3),
    "nz_bank_account": Limit(business_days=2),
}
OTHER_METHODS: Final = Limit(business_days=15)
"""Every other payment method: the longest time that Stripe names for any of them, and a day."""

AUTHORIZATIONS: Final = {
    "card": timedelta(
        days=4, hours=18
    ),  # Visa, initiated by the merchant: the shortest of the cards
    "card_present": timedelta(days=2),  # Mastercard, Amex and Discover in person
    "interac_present": timedelta(days=2),  # as other cards in person
    "afterpay_clearpay": timedelta(days=13),
    "affirm": timedelta(days=30),
    "cashapp": timedelta(days=7),
    "klarna": timedelta(days=28),
    "paypal": timedelta(days=10),
}
"""How long an authorization lasts at least if its charge has no capture_before.

Source: docs/payments/place-a-hold-on-a-payment-method.
"""
OTHER_AUTHORIZATIONS: Final = timedelta(days=7)
"""Stripe cancels an authorization that was not captured after 7 days, unless its docs name another time."""


def add_business_days(start: datetime, days: int) -> datetime:
    """The same time of day, this many business days later."""
    if days <= 0:
        return start
    # the odd days first, which end on a business day: from there five business days are a week
    weeks, odd = divmod(days - 1, BUSINESS_DAYS)
    moment = start
    odd += 1
    while odd:
        moment += _DAY
        if moment.weekday() < SATURDAY:
            odd -= 1
    return moment + timedelta(weeks=weeks)


def processing_deadline(intent: Intent) -> datetime:
    """When a processing payment becomes overdue."""
    # a cart may be days old when the customer pays, so the later of intent and charge counts
    start = intent.created if intent.charge is None else max(intent.created, intent.charge.created)
    return PROCESSING_LIMITS.get(intent.method or "", OTHER_METHODS).after(start)


def authorized_between(intent: Intent) -> tuple[datetime, datetime]:
    """The beginning and the end of an authorization, as far as they are known."""
    charge = intent.charge
    start = intent.created if charge is None else charge.created
    if charge is not None and charge.capture_before is not None:
        return start, charge.capture_before
    return start, start + AUTHORIZATIONS.get(intent.method or "", OTHER_AUTHORIZATIONS)


def voucher_deadline(intent: Intent) -> datetime | None:
    """When an unpaid voucher becomes overdue; None if the intent has no voucher with an expiry."""
    if intent.next_action is None or intent.next_action.expires_at is None:
        return None
    return add_business_days(intent.next_action.expires_at, VOUCHER_DAYS)


def known_deadline(intent: Intent) -> datetime | None:
    """The latest moment at which an open intent may still change by itself; None if no source names one."""
    match intent.outcome:
        case Outcome.PROCESSING:
            return processing_deadline(intent)
        case Outcome.AUTHORIZED:
            return None if intent.charge is None else intent.charge.capture_before
        case Outcome.INCOMPLETE:
            return voucher_deadline(intent)
        case _:
            return None


def expected_until(intent: Intent, row_created: datetime | None, horizon: timedelta) -> datetime:
    """The moment after which no change is expected: the later of the horizon and the known deadline.

    The horizon begins with the row, or with the intent if the row's time is not known.
    """
    limit = (row_created or intent.created) + horizon
    deadline = known_deadline(intent)
    return limit if deadline is None else max(limit, deadline)


def is_overdue(intent: Intent, now: datetime) -> bool:
    """Whether the bank should have answered, or the voucher should have been paid. An unpaid card is never overdue."""
    if intent.outcome is Outcome.PROCESSING:
        return now > processing_deadline(intent)
    if intent.status == "requires_action":
        deadline = voucher_deadline(intent)
        return deadline is not None and now > deadline
    return False


@dataclass(frozen=True, slots=True)
class CaptureDeadline:
    """Until when an authorization can be captured. ``is_stripes`` is whether Stripe says so, else its documentation."""

    before: datetime
    is_stripes: bool


def capture_deadline(intent: Intent) -> CaptureDeadline | None:
    """When the authorization ends; None if nothing is authorized.

    Stripe says it for cards. For every other method the shortest documented time counts from the charge's creation.
    """
    charge = intent.charge
    if intent.outcome is not Outcome.AUTHORIZED or charge is None:
        return None
    if charge.capture_before is not None:
        return CaptureDeadline(charge.capture_before, is_stripes=True)
    return CaptureDeadline(authorized_between(intent)[1], is_stripes=False)


def capture_is_expiring(intent: Intent, now: datetime) -> bool:
    """Whether an authorization ends in less than a day, or has ended."""
    deadline = capture_deadline(intent)
    return deadline is not None and deadline.before - now < CAPTURE_WARNING
