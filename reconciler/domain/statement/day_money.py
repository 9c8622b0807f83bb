"""The money of one day and currency, as a sweep adds it up and the ledger holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from reconciler.domain.outcome import Outcome

MOST_NAMED: Final = 20
"""So many payments of a day and currency are named; the others are only counted."""


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

    def add(self, payment: str) -> None:
        """Add a payment."""
        self.count += 1
        if len(self.payments) < MOST_NAMED:
            self.payments.append(payment)

    def as_body(self) -> dict[str, object]:
        """The payments as the ledger holds them."""
        return {"count": self.count, "payments": list(self.payments)}


@dataclass(slots=True)
class DayMoney:
    """The money of one day and currency, in minor units.

    ``stripe`` counts Stripe's payments by outcome. ``received`` is what Stripe received for payments of this table, ``refunded`` and ``disputed`` (lost) are what went
    back of it. The rest explains differences for which there is no finding: ``moved`` is money of rows that were created
    on another day than their intents, ``waiting`` is the difference of payments whose webhook may be on its way,
    ``returned`` that of payments of which both sides kept nothing. ``unrelated`` and ``outside_mapping`` is money at
    Stripe that no row of the mapping should hold; it is in none of the sums.
    """

    stripe: dict[Outcome, Count] = field(default_factory=dict)
    received: Count = field(default_factory=Count)
    refunded: int = 0
    disputed: int = 0
    moved: int = 0
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
            "refunded": self.refunded,
            "disputed": self.disputed,
            "moved": self.moved,
            "waiting": self.waiting,
            "returned": self.returned,
            "waiting_payments": self.waiting_payments.as_body(),
            "returned_payments": self.returned_payments.as_body(),
            "unrelated": self.unrelated.as_body(),
            "outside_mapping": self.outside_mapping.as_body(),
        }
