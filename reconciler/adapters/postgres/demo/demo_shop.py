"""The database of the demonstration's merchant, and a look into ours that does not go through the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.database import connect
from reconciler.adapters.postgres.errors import map_errors
from reconciler.adapters.postgres.statements import statements
from reconciler.domain.money import Money

_SQL: Final = statements("demo")


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
        """Make the merchant's table."""
        with map_errors("making the table shop.payments"):
            self._connection.execute(_SQL["demo_schema"])

    def add(self, row: ShopRow) -> None:
        """A new payment, as the checkout writes it."""
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
        """What a webhook says: the row that holds the intent, or has its order and no intent yet, has this status.

        ``at`` is when the event was made; a row that has taken a later one already stays as it is.
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
        """Every discrepancy that is stored, in whatever state."""
        with map_errors("reading the discrepancies"):
            return tuple(
                StoredFinding(subject, kind, state, severity, Money(amount, currency))
                for subject, kind, state, severity, amount, currency in self._connection.execute(
                    _SQL["demo_findings"]
                )
            )

    def rechecks(self) -> frozenset[str]:
        """The intents that a check waits for."""
        with map_errors("reading the checks"):
            return frozenset(row[0] for row in self._connection.execute(_SQL["demo_rechecks"]))

    def outbox(self) -> tuple[tuple[str, str | None], ...]:
        """The key and the new status of every correction handed to the merchant's own worker."""
        with map_errors("reading the outbox"):
            return tuple(
                (key, status) for key, status in self._connection.execute(_SQL["demo_outbox"])
            )
