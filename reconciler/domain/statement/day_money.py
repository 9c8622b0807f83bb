"""The money of one day and currency, as a sweep adds it up and the ledger holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from reconciler.domain.model.intent import Event
from reconciler.domain.outcome import Outcome

MOST_NAMED: Final = 20
"""So many payments of a day and currency are named; the others are only counted."""
MOST_WITH_MONEY_BACK: Final = 100
"""So many of those of which money went back are named: a later sweep shows then which payment a late refund is of."""


_REFUNDS: Final = frozenset({"charge.refunded", "refund.created"})
_LOST_DISPUTES: Final = frozenset({"charge.dispute.closed", "charge.dispute.funds_withdrawn"})


@dataclass(slots=True)
class Count:
    """How many payments, and their money in minor units."""

    count: int = 0
    amount: int = 0

    def add(self, amount: int, count: int = 1) -> None:
        """Add payments of this amount together."""
        self.count += count
        self.amount += amount

    def as_body(self) -> dict[str, int]:
        """The count as the ledger holds it."""
        return {"count": self.count, "amount": self.amount}


@dataclass(slots=True)
class NamedPayments:
    """How many payments differ without a finding, and which they are: the first ``MOST_NAMED`` PaymentIntents."""

    count: int = 0
    payments: list[str] = field(default_factory=list)
    last: str = ""

    def add(self, payment: str) -> None:
        """Add a payment. The rows of one come one after the other, and count once."""
        if payment == self.last:
            return
        self.last = payment
        self.count += 1
        if len(self.payments) < MOST_NAMED:
            self.payments.append(payment)

    def as_body(self) -> dict[str, object]:
        """The payments as the ledger holds them."""
        return {"count": self.count, "payments": list(self.payments)}


@dataclass(slots=True)
class MovedPayments:
    """Payments that one side counts on this day and the other on another, with the money by which this day differs."""

    amount: int = 0
    payments: NamedPayments = field(default_factory=NamedPayments)

    def add(self, payment: str, amount: int) -> None:
        """Add a row of a payment, in minor units."""
        self.amount += amount
        self.payments.add(payment)

    def as_body(self) -> dict[str, object]:
        """The payments as the ledger holds them."""
        return {"amount": self.amount, **self.payments.as_body()}


@dataclass(slots=True)
class MoneyBack:
    """Payments of which money went back, in minor units: how many, and the first ``MOST_WITH_MONEY_BACK`` of them.

    Each has its amount and the time of the last event of Stripe about it, None if no such event is known.
    """

    amount: int = 0
    count: int = 0
    payments: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)

    def add(self, payment: str, amount: int, at: datetime | None) -> None:
        """Add a payment, unless nothing of it went back."""
        if not amount:
            return
        self.amount += amount
        self.count += 1
        if len(self.payments) < MOST_WITH_MONEY_BACK:
            self.payments[payment] = amount, at

    def as_body(self) -> dict[str, object]:
        """The payments as the ledger holds them."""
        return {
            "count": self.count,
            "payments": {
                name: {"amount": amount, **({} if at is None else {"at": at})}
                for name, (amount, at) in self.payments.items()
            },
        }


@dataclass(slots=True)
class DayMoney:
    """The money of one day and currency, in minor units.

    ``stripe`` counts Stripe's payments by outcome. ``received`` is what Stripe received for payments of this table, ``refunded`` and ``disputed`` (lost) are what went
    back of it. The rest explains differences for which there is no finding: ``moved`` is money of rows that were created
    on another day than their intents, by that other day (None for rows without a time), ``waiting`` is the difference of payments whose webhook may be on its way,
    ``returned`` that of payments of which both sides kept nothing. ``unrelated`` and ``outside_mapping`` is money at
    Stripe that no row of the mapping should hold; it is in none of the sums.
    """

    stripe: dict[Outcome, Count] = field(default_factory=dict)
    received: Count = field(default_factory=Count)
    refunded: MoneyBack = field(default_factory=MoneyBack)
    disputed: MoneyBack = field(default_factory=MoneyBack)
    moved: dict[date | None, MovedPayments] = field(default_factory=dict)
    waiting: int = 0
    returned: int = 0
    waiting_payments: NamedPayments = field(default_factory=NamedPayments)
    returned_payments: NamedPayments = field(default_factory=NamedPayments)
    unrelated: Count = field(default_factory=Count)
    outside_mapping: Count = field(default_factory=Count)

    def as_body(self) -> dict[str, object]:
        """The sums as a ledger entry holds them."""
        return {
            "stripe": {outcome.value: count.as_body() for outcome, count in self.stripe.items()},
            "received": self.received.as_body(),
            "refunded": self.refunded.amount,
            "disputed": self.disputed.amount,
            "refunded_payments": self.refunded.as_body(),
            "disputed_payments": self.disputed.as_body(),
            "moved": sum(moved.amount for moved in self.moved.values()),
            "moved_by_day": {
                "" if day is None else day.isoformat(): moved.as_body()
                for day, moved in self.moved.items()
            },
            "waiting": self.waiting,
            "returned": self.returned,
            "waiting_payments": self.waiting_payments.as_body(),
            "returned_payments": self.returned_payments.as_body(),
            "unrelated": self.unrelated.as_body(),
            "outside_mapping": self.outside_mapping.as_body(),
        }


class MoneyBackTimes:
    """When money of payments went back, by Stripe's events: the latest of each payment."""

    def __init__(self) -> None:
        self.refunded_at: dict[str, datetime] = {}
        self.lost_at: dict[str, datetime] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Take events; those about other things say nothing."""
        for event in events:
            if event.payment_intent is None:
                continue
            if event.type in _REFUNDS:
                times = self.refunded_at
            elif event.type in _LOST_DISPUTES:
                times = self.lost_at
            else:
                continue
            known = times.get(event.payment_intent, event.created)
            times[event.payment_intent] = max(known, event.created)
