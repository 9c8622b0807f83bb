"""Where the payments are made: Stripe, the shop's table and the script, moved together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from reconciler.adapters.postgres.demo.demo_shop import DemoShop, ShopRow
from reconciler.clock import ManualClock
from reconciler.demo.expected import End, Expectations
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state.sandbox import Sandbox

APP = "shop"
"""The metadata that tells this shop's intents from those of others on the same Stripe account."""


@dataclass(slots=True)
class World:
    """Makes both sides of a payment. ``present`` is when the sweep will run, in Stripe's time."""

    sandbox: Sandbox
    shop: DemoShop
    clock: ManualClock
    present: datetime
    random: Random
    expected: Expectations = field(default_factory=Expectations)
    _orders: int = 10_000

    def order(self) -> str:
        """A new order's number."""
        self._orders += 1
        return f"R-{self._orders}"

    def amount(self, currency: str = "eur") -> int:
        """What somebody buys for, in minor units."""
        major = self.random.randint(5, 250)
        return major * 100 if currency == "jpy" else major * 100 + self.random.choice((0, 50, 90))

    def ago(self, shortest: timedelta, longest: timedelta) -> datetime:
        """A moment before the present, a whole second."""
        seconds = self.random.randint(int(shortest.total_seconds()), int(longest.total_seconds()))
        return self.present - timedelta(seconds=seconds)

    def open_intent(
        self,
        at: datetime,
        *,
        amount: int | None = None,
        currency: str = "eur",
        method: str = "card",
        order: str | None = None,
        manual: bool = False,
        livemode: bool | None = None,
    ) -> IntentRecord:
        """A new PaymentIntent of this shop's. It counts as one payment."""
        self.expected.payments += 1
        return self.sandbox.create_payment(
            self.amount(currency) if amount is None else amount,
            currency,
            method=method,
            capture_method="manual" if manual else "automatic_async",
            metadata={"app": APP, "order_id": order or self.order()},
            livemode=livemode,
            at=at,
        )

    def add_row(
        self,
        status: str,
        intent: IntentRecord,
        *,
        amount: int | None = None,
        currency: str | None = None,
        order: str | None = None,
        holds: bool = True,
        end: str | None = None,
    ) -> str:
        """The shop's row of an intent; its key.

        Amount, currency and order are the intent's unless they are said to differ. ``holds`` is whether the row has
        learnt the intent's id. ``end`` is the status that it must have after the sweep; without one the row must stay
        as it is.
        """
        created = datetime.fromtimestamp(intent.created, self.present.tzinfo)
        row = self._row(
            order or intent.metadata["order_id"],
            intent.id if holds else None,
            status,
            intent.amount if amount is None else amount,
            currency or intent.currency,
            created - timedelta(seconds=self.random.randint(0, 3)),
        )
        self.expected.ends[row.id] = End(end or status, intent.id)
        return row.id

    def add_lone_row(self, status: str, payment_intent: str | None, created: datetime) -> str:
        """A row whose intent Stripe does not have; its key. It counts as a payment, and must stay as it is."""
        self.expected.payments += 1
        row = self._row(self.order(), payment_intent, status, self.amount(), "eur", created)
        self.expected.ends[row.id] = End(status, payment_intent)
        return row.id

    def expect(self, kind: Kind, intent: IntentRecord | str) -> None:
        """A discrepancy is planted."""
        self.expected.expect(kind, intent if isinstance(intent, str) else intent.id)

    def _row(
        self,
        order: str,
        intent: str | None,
        status: str,
        amount: int,
        currency: str,
        created: datetime,
    ) -> ShopRow:
        key = str(UUID(int=self.random.getrandbits(128), version=4))
        row = ShopRow(key, order, intent, status, amount, currency, created)
        self.shop.add(row)
        return row
