"""What a statement is made of, and the figures of one currency. Amounts are minor units; currencies are never added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.review.ageing import BUCKETS
from reconciler.domain.statement.day_entry import NamedOnes
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.reconciling_item import ReconcilingItem

AGES: Final = BUCKETS
"""The ages of open items, in whole days since they were found, the youngest first."""
_YOUNGER_THAN: Final = (2, 8, 31)


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
    def amount_before(self) -> int:
        """The difference at the cut-off, in minor units."""
        return 0 if self.before is None else self.before.amount

    @property
    def amount_after(self) -> int:
        """The difference after the event, in minor units."""
        return 0 if self.after is None else self.after.amount

    @property
    def name(self) -> tuple[str, str]:
        """The subject and the kind of its finding."""
        known = self.after or self.before
        return ("", "") if known is None else (known.subject, known.kind)


@dataclass(frozen=True, slots=True)
class OpeningItem:
    """An item that was open at the beginning. ``is_carried`` is whether it is open at the cut-off with the same amount."""

    item: ReconcilingItem
    is_carried: bool


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
    ``opening_items`` are all that were open in the account at the beginning, which is ``opening``, and ``open_items`` all
    that are open at the cut-off, which is ``closing``. ``subsequent`` and ``later`` are what became of differences and of
    money after it. Items of less than ``materiality`` are summed where they are listed for people, and are in every sum.
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
    moved_payments: NamedOnes = (0, ())
    unrelated: Movement = field(default_factory=Movement)
    outside_mapping: Movement = field(default_factory=Movement)
    items: list[ReconcilingItem] = field(default_factory=list)
    opening: Movement = field(default_factory=Movement)
    new: Movement = field(default_factory=Movement)
    cleared: Movement = field(default_factory=Movement)
    closing: Movement = field(default_factory=Movement)
    opening_items: list[OpeningItem] = field(default_factory=list)
    open_items: list[ReconcilingItem] = field(default_factory=list)
    subsequent: list[SubsequentEvent] = field(default_factory=list)
    later: list[LaterMoney] = field(default_factory=list)
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
