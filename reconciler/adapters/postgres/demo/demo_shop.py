"""The database of the demonstration's merchant, and Reconciler's tables as the demonstration checks them.

The demonstration reads those tables here, and not through the code that it checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.database import connect, map_errors
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.money import Money

_SQL: Final = STATEMENTS["demo"]


@dataclass(frozen=True, slots=True)
class ShopRow:
    """One row of ``shop.payments``. ``id`` is a uuid as text, ``amount`` is in minor units."""

    id: str
    order_id: str
    payment_intent: str | None
    status: str
    amount: int
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One row of ``reconciler.discrepancies``."""

    subject: str
    kind: str
    state: str
    severity: str
    stake: Money


class DemoShop:
    """One connection to the demonstration's database. Every statement commits by itself."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def create(self) -> None:
        """Create the merchant's table."""
        with map_errors("creating the table shop.payments"):
            self._connection.execute(_SQL["demo_schema"])

    def add(self, row: ShopRow) -> None:
        """Add a payment, as the checkout does."""
        values = {
            "id": row.id,
            "order_id": row.order_id,
            "payment_intent": row.payment_intent,
            "status": row.status,
            "amount": row.amount,
            "currency": row.currency,
            "created_at": row.created_at,
        }
        with map_errors("adding a payment"):
            self._connection.execute(_SQL["demo_add"], values)

    def take(self, payment_intent: str, order_id: str | None, status: str, at: datetime) -> None:
        """Handle a webhook: give this status to the row that holds the intent, or has its order and no intent yet.

        ``at`` is the event's time. A row that a later event has changed already stays as it is.
        """
        values = {
            "payment_intent": payment_intent,
            "order_id": order_id,
            "status": status,
            "at": at,
        }
        with map_errors("handling a webhook"):
            self._connection.execute(_SQL["demo_take"], values)

    def rows(self) -> dict[str, ShopRow]:
        """The whole table, by id."""
        with map_errors("reading shop.payments"):
            return {row[0]: ShopRow(*row) for row in self._connection.execute(_SQL["demo_rows"])}

    def findings(self) -> tuple[StoredFinding, ...]:
        """Every stored discrepancy, in any state."""
        with map_errors("reading the discrepancies"):
            return tuple(
                StoredFinding(subject, kind, state, severity, Money(amount, currency))
                for subject, kind, state, severity, amount, currency in self._connection.execute(
                    _SQL["demo_findings"]
                )
            )

    def rechecks(self) -> frozenset[str]:
        """The intents that a recheck waits for."""
        with map_errors("reading the rechecks"):
            return frozenset(row[0] for row in self._connection.execute(_SQL["demo_rechecks"]))

    def outbox(self) -> tuple[tuple[str, str | None], ...]:
        """The key and the new status of every correction in the outbox, in order."""
        with map_errors("reading the outbox"):
            return tuple(
                (key, status) for key, status in self._connection.execute(_SQL["demo_outbox"])
            )
