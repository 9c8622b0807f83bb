"""How long each payment method takes, and when its silence is worth a word.

Sources: Stripe's pages on bank debits, ACH direct debit and vouchers; the limits are the upper ends given there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome

SATURDAY: Final = 5
CAPTURE_WARNING: Final = timedelta(hours=24)
VOUCHER_DAYS: Final = 3
"""Business days after a voucher's expiry in which its payment may still be reported."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a payment may be processing: hours, or business days (Monday to Friday, UTC)."""

    hours: int = 0
    business_days: int = 0

    def after(self, start: datetime) -> datetime:
        """The moment at which the limit that began at ``start`` has passed."""
        if self.business_days:
            return add_business_days(start, self.business_days)
        return start + timedelta(hours=self.hours)


PROCESSING_LIMITS: Final = {
    "card": Limit(hours=1),
    "us_bank_account": Limit(business_days=6),  # 4 days, and 2 for microdeposits
    "sepa_debit": Limit(business_days=14),
    "bacs_debit": Limit(business_days=7),  # with a new mandate
    "au_becs_debit": Limit(business_days=3),
    "nz_bank_account": Limit(business_days=2),
}
OTHER_METHODS: Final = Limit(business_days=15)


def add_business_days(start: datetime, days: int) -> datetime:
    """The same time of day, that many business days later."""
    moment = start
    while days > 0:
        moment += timedelta(days=1)
        if moment.weekday() < SATURDAY:
            days -= 1
    return moment


def processing_deadline(intent: Intent) -> datetime:
    """When a processing payment becomes overdue: counted from the later of intent and charge."""
    start = intent.created if intent.charge is None else max(intent.created, intent.charge.created)
    return PROCESSING_LIMITS.get(intent.method or "", OTHER_METHODS).after(start)


def voucher_deadline(intent: Intent) -> datetime | None:
    """When a voucher that nobody paid is overdue, None where there is no voucher with an expiry."""
    if intent.next_action is None or intent.next_action.expires_at is None:
        return None
    return add_business_days(intent.next_action.expires_at, VOUCHER_DAYS)


def known_deadline(intent: Intent) -> datetime | None:
    """The latest moment at which something is still to be expected of an open intent, where that is known."""
    match intent.outcome:
        case Outcome.PROCESSING:
            return processing_deadline(intent)
        case Outcome.AUTHORIZED:
            return None if intent.charge is None else intent.charge.capture_before
        case Outcome.INCOMPLETE:
            return voucher_deadline(intent)
        case _:
            return None


def is_overdue(intent: Intent, now: datetime) -> bool:
    """Whether the payment method should have answered by now. A card that nobody paid with never is."""
    if intent.outcome is Outcome.PROCESSING:
        return now > processing_deadline(intent)
    if intent.status == "requires_action":
        deadline = voucher_deadline(intent)
        return deadline is not None and now > deadline
    return False


def capture_is_expiring(intent: Intent, now: datetime) -> bool:
    """Whether an authorization ends in less than a day."""
    if intent.outcome is not Outcome.AUTHORIZED or intent.charge is None:
        return False
    before = intent.charge.capture_before
    return before is not None and before - now < CAPTURE_WARNING
