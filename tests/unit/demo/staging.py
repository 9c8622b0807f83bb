"""A stage without a database: what is written to the shop's table is kept in a list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from reconciler.adapters.postgres.demo.demo_shop import ShopRow
from reconciler.clock import ManualClock
from reconciler.demo.world import World
from reconciler.sandbox import Sandbox

PRESENT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class ListedShop:
    """Takes what the stage and the merchant write."""

    def __init__(self) -> None:
        self.rows: dict[str, ShopRow] = {}
        self.updated: dict[str, datetime] = {}
        self.taken: list[tuple[str, str | None, str, datetime]] = []

    def add(self, row: ShopRow) -> None:
        self.rows[row.id] = row

    def take(self, payment_intent: str, order_id: str | None, status: str, at: datetime) -> None:
        self.taken.append((payment_intent, order_id, status, at))
        for key, row in self.rows.items():
            waits = row.payment_intent is None and order_id == row.order_id
            is_meant = waits or payment_intent == row.payment_intent
            if is_meant and self.updated.get(key, at) <= at:
                self.rows[key] = replace(row, status=status, payment_intent=payment_intent)
                self.updated[key] = at


def make_stage(seed: int = 1) -> World:
    """A stage whose present is a Monday at noon, with a clock that stands sixty days before it."""
    clock = ManualClock(PRESENT - timedelta(days=60))
    return World(Sandbox(clock, seed=seed), ListedShop(), clock, PRESENT, Random(seed))
