"""A simulation without a database: the shop's rows are kept in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from reconciler.adapters.postgres.demo.demo_shop import ShopRow
from reconciler.clock import ManualClock
from reconciler.demo.simulation import Simulation
from reconciler.sandbox import Sandbox

PRESENT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class InMemoryShop:
    """Keeps the rows that the simulation and the webhook handler write, as DemoShop does in a table."""

    def __init__(self) -> None:
        self.rows: dict[str, ShopRow] = {}
        self.updated: dict[str, datetime] = {}
        self.taken: list[tuple[str, str | None, str, datetime]] = []

    def add(self, row: ShopRow) -> None:
        self.rows[row.id] = row

    def take(self, payment_intent: str, order_id: str | None, status: str, at: datetime) -> None:
        self.taken.append((payment_intent, order_id, status, at))
        for key, row in self.rows.items():
            waits_for_intent = row.payment_intent is None and order_id == row.order_id
            is_meant = waits_for_intent or payment_intent == row.payment_intent
            if is_meant and self.updated.get(key, at) <= at:
                self.rows[key] = replace(row, status=status, payment_intent=payment_intent)
                self.updated[key] = at


def make_simulation(seed: int = 1) -> Simulation:
    """A simulation whose present is a Monday at noon; its clock begins sixty days before that."""
    clock = ManualClock(PRESENT - timedelta(days=60))
    return Simulation(Sandbox(clock, seed=seed), InMemoryShop(), clock, PRESENT, Random(seed))
