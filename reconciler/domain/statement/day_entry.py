"""What the ledger holds of the money of one day and currency, and of the sweep that recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from reconciler.domain.outcome import SAYS_PAID


@dataclass(frozen=True, slots=True)
class WindowSweep:
    """A sweep that examined every payment of the days from ``first`` to ``last``. ``seq`` is that of its ledger entry."""

    seq: int
    at: datetime
    sweep: int
    first: date
    last: date
    timezone: str
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)
    """What a certificate says of the sweep; empty if an early version made it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of the table that are in no sum, in minor units. ``paid`` are those that say that money was taken."""

    count: int = 0
    amount: int = 0
    paid_count: int = 0
    paid_amount: int = 0

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(
            self.count + other.count,
            self.amount + other.amount,
            self.paid_count + other.paid_count,
            self.paid_amount + other.paid_amount,
        )


NamedOnes = tuple[int, tuple[str, ...]]
"""How many payments, and the PaymentIntents of the first of them."""


@dataclass(frozen=True, slots=True)
class MovedDay:
    """Payments that one side counts on a day and the other on another: how many, which, and the money, signed."""

    amount: int
    payments: NamedOnes


@dataclass(frozen=True, slots=True)
class BackOfPayment:
    """What went back of a payment, in minor units, and when Stripe's last event said so; None if none is known."""

    amount: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackOfDay:
    """Of how many payments of a day money went back, and what of the first of them, by PaymentIntent."""

    count: int
    payments: Mapping[str, BackOfPayment]

    @property
    def names_all(self) -> bool:
        """Whether every one of them is named."""
        return self.count == len(self.payments)


@dataclass(frozen=True, slots=True)
class MatchingOfDay:
    """Counts and amounts of the rows of a day, and of Stripe's payments, by whether the other side has them."""

    matched_rows: tuple[int, int]
    only_local: tuple[int, int]
    only_stripe: tuple[int, int]


@dataclass(frozen=True, slots=True)
class DayEntry:
    """The money of a day and currency as a sweep recorded it, in minor units."""

    sweep: int
    day: date
    currency: str
    local: Mapping[str, tuple[int, int]]
    """Count and amount of the table's own rows, by outcome."""
    received: tuple[int, int]
    refunded: int
    disputed: int
    moved: int
    waiting: int
    returned: int
    unrelated: tuple[int, int]
    outside_mapping: tuple[int, int]
    stripe: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Count and amount of Stripe's payments of this table, by outcome, whether or not money was received."""
    left_out: Mapping[str, LeftOut] | None = None
    """The rows that are in no sum, by the reason; None if an early version made the entry."""
    waiting_payments: NamedOnes = (0, ())
    returned_payments: NamedOnes = (0, ())
    refunded_payments: BackOfDay | None = None
    """None if an early version made the entry, as ``disputed_payments`` and ``moved_by_day``."""
    disputed_payments: BackOfDay | None = None
    moved_by_day: Mapping[date | None, MovedDay] | None = None
    """The payments of ``moved``, by the day on which the other side counts them; None for rows without a time."""

    matching: MatchingOfDay | None = None
    """None if an early version made the entry."""

    @property
    def is_only_left_out(self) -> bool:
        """Whether neither side has a payment of it that could be compared."""
        has_money = self.local or self.stripe or self.received[0]
        return not (has_money or self.unrelated[0] or self.outside_mapping[0] or self.moved)

    @property
    def paid_here(self) -> tuple[int, int]:
        """Count and amount of the rows that say that money was taken."""
        counts = [self.local.get(outcome.value, (0, 0)) for outcome in SAYS_PAID]
        return sum(count for count, _ in counts), sum(amount for _, amount in counts)
