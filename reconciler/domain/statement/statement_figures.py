"""What a statement is made of, and the figures of one currency. Amounts are minor units; currencies are never added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from reconciler.domain.outcome import SAYS_PAID
from reconciler.domain.review.ageing import BUCKETS
from reconciler.domain.statement.reconciling_item import ReconcilingItem

AGES: Final = BUCKETS
"""The ages of open items, in whole days since they were found, the youngest first."""
_YOUNGER_THAN: Final = (2, 8, 31)


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


@dataclass(frozen=True, slots=True)
class Movement:
    """How many items, and their signed sum in minor units."""

    count: int = 0
    amount: int = 0

    def __add__(self, other: Movement) -> Movement:
        return Movement(self.count + other.count, self.amount + other.amount)


@dataclass(frozen=True, slots=True)
class SubsequentEvent:
    """What became of a payment of the period after the cut-off: its item before it and after it, None for no item."""

    before: ReconcilingItem | None
    after: ReconcilingItem | None
    at: datetime
    state: str
    """The state of the finding after the event."""

    @property
    def name(self) -> tuple[str, str]:
        """The subject and the kind of its finding."""
        known = self.after or self.before
        return ("", "") if known is None else (known.subject, known.kind)


@dataclass(slots=True)
class LostWebhooks:
    """Payments of the period that Stripe had taken and the table did not know, with their money.

    ``slowest`` is the longest time from the charge until the table was right, None if none is right yet.
    ``not_right`` are those that still differ.
    """

    lost: Movement = field(default_factory=Movement)
    not_right: Movement = field(default_factory=Movement)
    slowest: timedelta | None = None


@dataclass(slots=True)
class CurrencyStatement:
    """One currency of a statement. Amounts are minor units, signed; currencies are never added up.

    ``local_count`` and ``stripe_count`` are the sizes of both populations before matching. ``items`` explain the period;
    ``open_items`` are all that are open in the account at the cut-off, which is ``closing``. Items of less than
    ``materiality`` are summed where they are listed for people, and are in every sum.
    """

    currency: str
    local: int = 0
    local_count: int = 0
    stripe: int = 0
    stripe_count: int = 0
    refunded: int = 0
    disputed: int = 0
    moved: int = 0
    waiting: int = 0
    returned: int = 0
    waiting_payments: NamedOnes = (0, ())
    returned_payments: NamedOnes = (0, ())
    unrelated: Movement = field(default_factory=Movement)
    outside_mapping: Movement = field(default_factory=Movement)
    items: list[ReconcilingItem] = field(default_factory=list)
    opening: Movement = field(default_factory=Movement)
    new: Movement = field(default_factory=Movement)
    cleared: Movement = field(default_factory=Movement)
    closing: Movement = field(default_factory=Movement)
    open_items: list[ReconcilingItem] = field(default_factory=list)
    subsequent: list[SubsequentEvent] = field(default_factory=list)
    lost_webhooks: LostWebhooks = field(default_factory=LostWebhooks)
    materiality: int = 0

    @property
    def difference(self) -> int:
        """What the table calls paid less what Stripe received."""
        return self.local - self.stripe

    @property
    def explained(self) -> int:
        """The part of the difference that findings and the days' own notes explain."""
        return sum(item.amount for item in self.items) + self.moved + self.waiting + self.returned

    @property
    def unexplained(self) -> int:
        """The rest. In a world in which everything was found it is 0."""
        return self.difference - self.explained

    @property
    def material_items(self) -> list[ReconcilingItem]:
        """The items that are listed one by one."""
        return [item for item in self.items if abs(item.amount) >= self.materiality]

    @property
    def below_materiality(self) -> Movement:
        """The other items together."""
        small = [item.amount for item in self.items if abs(item.amount) < self.materiality]
        return Movement(len(small), sum(small))


def age_of(since: datetime, now: datetime) -> str:
    """Which of ``AGES`` an item has that was found at ``since``. It is two days old when two whole days have passed."""
    days = (now - since) // timedelta(days=1)
    return AGES[sum(days >= first for first in _YOUNGER_THAN)]
