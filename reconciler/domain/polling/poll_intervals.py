"""How often a payment is looked at while it waits: one table, each figure with its source.

Every change whose event Stripe generated is found without a look, by the events list. These looks are for the others, so
they are as rare as the answer's usual delay allows.
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
    """The first look comes ``first`` after the wait began, the others at ``growth`` times its age, within bounds.

    ``longest`` is None where looks may become ever rarer. With ``business_days`` all of it counts Monday to Friday in
    UTC: banks answer on no other day.
    """

    source: str
    first: timedelta
    growth: float
    shortest: timedelta
    longest: timedelta | None = None
    business_days: bool = False

    def step(self, age: timedelta) -> timedelta:
        """The time to the next look at such an age: the shortest, doubled as often as it goes."""
        wanted = self.growth * max(age, timedelta(0))
        if self.longest is not None:
            wanted = min(wanted, self.longest)
        return self.shortest * (1 << max(0, (wanted // self.shortest).bit_length() - 1))

    def elapsed(self, moment: datetime) -> timedelta:
        """Time on this pace's clock, which stands still on weekends where it counts business days."""
        since = moment - MONDAY
        if not self.business_days:
            return since
        weeks, rest = divmod(since, WEEK)
        return weeks * SATURDAY * DAY + min(rest, SATURDAY * DAY)

    def moment(self, elapsed: timedelta) -> datetime:
        """The moment at which its clock shows this, on a Monday rather than on the Saturday before."""
        if not self.business_days:
            return MONDAY + elapsed
        weeks, rest = divmod(elapsed, SATURDAY * DAY)
        return MONDAY + weeks * WEEK + rest


def _minutes(first: int, growth: float, longest: timedelta | None, source: str) -> PollInterval:
    start = timedelta(minutes=first)
    return PollInterval(source, start, growth, start, longest)


def _business(
    first: float, growth: float, shortest: float, longest: int, source: str
) -> PollInterval:
    return PollInterval(
        source, first * DAY, growth, shortest * DAY, longest * DAY, business_days=True
    )


CUSTOMER: Final = _minutes(
    10,
    3.0,
    None,
    "ours: 3-D Secure and redirects take minutes, a Checkout Session lives 24 h at most",
)
VOUCHER: Final = _business(
    1, 0.5, 1, 4, "docs/payments/vouchers: the result comes on the business day after paying"
)
TRANSFER: Final = PollInterval(
    "ours: no time is documented for bank transfers",
    timedelta(hours=6),
    0.5,
    timedelta(hours=6),
    2 * DAY,
)
MICRODEPOSITS: Final = _business(
    1, 0.5, 1, 4, "docs/payments/ach-direct-debit: they take 1 to 2 business days to arrive"
)
AUTHORIZED: Final = _minutes(
    60,
    1.0,
    4 * DAY,
    "ours, beside the moments that capture_before gives: a capture is the merchant's",
)
OVERDUE: Final = _business(1, 0.25, 1, 4, "ours: past its limit an answer is an exception")
SETTLED: Final = _minutes(
    60,
    1.0,
    WEEK,
    "ours: Stripe has decided and the row has not followed, a person or a webhook may",
)
PROCESSING: Final = {
    "card": _minutes(5, 1.0, None, "stripe-facts: cards pass through within the hour"),
    "us_bank_account": _business(
        1, 0, 0.5, 1, "docs/payments/ach-direct-debit: up to 4 business days, T+2 where eligible"
    ),
    "sepa_debit": _business(
        2, 0, 1, 1, "docs/payments/bank-debits: 5 to 8 business days, up to 14"
    ),
    "bacs_debit": _business(2, 0, 1, 1, "docs/payments/bank-debits: 4 business days, 7 at first"),
    "au_becs_debit": _business(1, 0, 0.5, 1, "docs/payments/bank-debits: up to 3 business days"),
    "nz_bank_account": _business(1, 0, 0.5, 1, "docs/payments/bank-debits: up to 2 business days"),
}
OTHER_PROCESSING: Final = _minutes(
    15, 1.0, 2 * DAY, "ours: wallets answer in minutes, others in days"
)
NEXT_ACTIONS: Final = {
    "boleto_display_details": VOUCHER,
    "konbini_display_details": VOUCHER,
    "multibanco_display_details": VOUCHER,
    "oxxo_display_details": VOUCHER,
    "display_bank_transfer_instructions": TRANSFER,
    "verify_with_microdeposits": MICRODEPOSITS,
}
"""What the customer may take days for. All other actions are done at once or not at all."""

AUTHORIZATIONS: Final = {
    "afterpay_clearpay": 13 * DAY,
    "affirm": 30 * DAY,
    "cashapp": 7 * DAY,
    "klarna": 28 * DAY,
    "paypal": 10 * DAY,
}
"""How long a hold lasts (docs/payments/place-a-hold-on-a-payment-method) where the charge has no capture_before."""
OTHER_AUTHORIZATIONS: Final = 7 * DAY
"""Stripe cancels what was not captured after 7 days, if nothing else is said."""


def poll_interval_of(intent: Intent, now: datetime) -> PollInterval:
    """The row of the table that an intent waits by."""
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
