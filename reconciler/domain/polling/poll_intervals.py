"""How often an open payment is polled: one table, each figure with its source.

Stripe's list of events shows every change that made an event. Polls find the other changes, so they are as rare as the
usual delay of an answer allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.payment_method_deadlines import SATURDAY, is_overdue

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
"""The origin of all slots: a Monday at midnight."""


@dataclass(frozen=True, slots=True)
class PollInterval:
    """How long to wait between two polls of a payment.

    The first poll comes ``first`` after the wait began. Each next interval is ``growth`` times the age of the wait,
    between ``shortest`` and ``longest``. ``longest`` is None if the interval may grow without end. With
    ``business_days`` only Monday to Friday in UTC count, because banks answer on no other day.
    """

    first: timedelta
    growth: float
    shortest: timedelta
    longest: timedelta | None = None
    business_days: bool = False

    def step(self, age: timedelta) -> timedelta:
        """The interval at an age: the shortest interval, doubled as often as the growth allows."""
        wanted = self.growth * max(age, timedelta(0))
        if self.longest is not None:
            wanted = min(wanted, self.longest)
        return self.shortest * (1 << max(0, (wanted // self.shortest).bit_length() - 1))

    def elapsed(self, moment: datetime) -> timedelta:
        """The time from the origin to a moment. With ``business_days`` weekends do not count."""
        since = moment - MONDAY
        if not self.business_days:
            return since
        weeks, rest = divmod(since, WEEK)
        return weeks * SATURDAY * DAY + min(rest, SATURDAY * DAY)

    def moment(self, elapsed: timedelta) -> datetime:
        """The moment that is this far from the origin; on a Monday rather than on the Saturday before."""
        if not self.business_days:
            return MONDAY + elapsed
        weeks, rest = divmod(elapsed, SATURDAY * DAY)
        return MONDAY + weeks * WEEK + rest


def _minutes(first: int, growth: float, longest: timedelta | None) -> PollInterval:
    start = timedelta(minutes=first)
    return PollInterval(start, growth, start, longest)


def _business_days(first: float, growth: float, shortest: float, longest: int) -> PollInterval:
    return PollInterval(first * DAY, growth, shortest * DAY, longest * DAY, business_days=True)


# An estimate: 3-D Secure and redirects take minutes, and a Checkout Session lives for 24 hours at most.
CUSTOMER: Final = _minutes(10, 3.0, None)
# docs/payments/vouchers: the result comes on the business day after the customer paid.
VOUCHER: Final = _business_days(1, 0.5, 1, 4)
# An estimate: Stripe documents no time for bank transfers.
TRANSFER: Final = PollInterval(timedelta(hours=6), 0.5, timedelta(hours=6), 2 * DAY)
# docs/payments/ach-direct-debit: microdeposits take 1 to 2 business days to arrive.
MICRODEPOSITS: Final = _business_days(1, 0.5, 1, 4)
# An estimate: the merchant may capture at any time. The end of the authorization adds polls of its own.
AUTHORIZED: Final = _minutes(60, 1.0, 4 * DAY)
# An estimate: after the time limit an answer is an exception.
OVERDUE: Final = _business_days(1, 0.25, 1, 4)
# An estimate: Stripe has decided, and only a person or a late webhook still changes the row.
SETTLED: Final = _minutes(60, 1.0, WEEK)

PROCESSING: Final = {
    # Stripe's docs: a card normally does not stay in processing.
    "card": _minutes(5, 1.0, None),
    "card_present": _minutes(5, 1.0, None),
    "interac_present": _minutes(5, 1.0, None),
    # PayTo: the final status comes typically within 60 seconds.
    "payto": _minutes(5, 1.0, None),
    # ACSS: up to 5 business days.
    "acss_debit": _business_days(1, 0, 0.5, 1),
    # docs/payments/ach-direct-debit: up to 4 business days, and T+2 for eligible accounts.
    "us_bank_account": _business_days(1, 0, 0.5, 1),
    # docs/payments/bank-debits: SEPA takes 5 to 8 business days, and up to 14.
    "sepa_debit": _business_days(2, 0, 1, 1),
    # docs/payments/bank-debits: Bacs takes 4 business days, and 7 with a new mandate.
    "bacs_debit": _business_days(2, 0, 1, 1),
    # docs/payments/bank-debits: up to 3 business days in Australia, up to 2 in New Zealand.
    "au_becs_debit": _business_days(1, 0, 0.5, 1),
    "nz_bank_account": _business_days(1, 0, 0.5, 1),
}
# An estimate: wallets answer in minutes, other methods in days.
OTHER_PROCESSING: Final = _minutes(15, 1.0, 2 * DAY)

NEXT_ACTIONS: Final = {
    "boleto_display_details": VOUCHER,
    "konbini_display_details": VOUCHER,
    "multibanco_display_details": VOUCHER,
    "oxxo_display_details": VOUCHER,
    "display_bank_transfer_instructions": TRANSFER,
    "verify_with_microdeposits": MICRODEPOSITS,
}
"""The actions for which a customer may take days. A customer does every other action at once or never."""


def poll_interval_of(intent: Intent, now: datetime) -> PollInterval:
    """The interval of the table that applies to an intent now."""
    match intent.outcome:
        case Outcome.PROCESSING if is_overdue(intent, now):
            return OVERDUE
        case Outcome.PROCESSING:
            return PROCESSING.get(intent.method or "", OTHER_PROCESSING)
        case Outcome.AUTHORIZED:
            return AUTHORIZED
        case Outcome.INCOMPLETE if intent.next_action is not None:
            return NEXT_ACTIONS.get(intent.next_action.type, CUSTOMER)
        case Outcome.INCOMPLETE | Outcome.FAILED:
            return CUSTOMER
        case _:
            return SETTLED
