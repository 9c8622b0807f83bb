"""The simulated world of the demonstration: payments are made at the sandbox Stripe and in the shop's table alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from reconciler.adapters.postgres.demo.demo_shop import DemoShop, ShopRow
from reconciler.clock import ManualClock
from reconciler.demo.expected_result import ExpectedResult, ExpectedRow
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state.sandbox import Sandbox

APP = "shop"
"""The metadata value that tells this shop's intents from those of other shops on the same Stripe account."""


@dataclass(slots=True)
class Simulation:
    """Makes both sides of a payment, and notes in ``expected`` what must be true after the sweep.

    ``present`` is when the sweep will run, in Stripe's time.
    """

    sandbox: Sandbox
    shop: DemoShop
    clock: ManualClock
    present: datetime
    random: Random
    expected: ExpectedResult = field(default_factory=ExpectedResult)
    _orders: int = 10_000

    def new_order(self) -> str:
        """A new order number."""
        self._orders += 1
        return f"R-{self._orders}"

    def random_amount(self, currency: str = "eur") -> int:
        """The amount of a purchase, in minor units."""
        major = self.random.randint(5, 250)
        return major * 100 if currency == "jpy" else major * 100 + self.random.choice((0, 50, 90))

    def ago(self, shortest: timedelta, longest: timedelta) -> datetime:
        """A random time before the present, in whole seconds."""
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
        """A new PaymentIntent of this shop, captured by hand if ``manual``. It counts as one payment."""
        self.expected.payments += 1
        return self.sandbox.create_payment(
            self.random_amount(currency) if amount is None else amount,
            currency,
            method=method,
            capture_method="manual" if manual else "automatic_async",
            metadata={"app": APP, "order_id": order or self.new_order()},
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
        text: str | None = None,
        end: str | None = None,
    ) -> str:
        """Add the shop's row of an intent; returns its key.

        Amount, currency and order are the intent's unless they are given. ``holds`` is whether the row has the intent's
        id, or ``text`` in its place. ``end`` is the status that the row must have after the sweep; without it the row must stay unchanged.
        """
        # a checkout writes its row up to three seconds before the intent is created
        created = datetime.fromtimestamp(intent.created, self.present.tzinfo)
        row = self._row(
            order or intent.metadata["order_id"],
            (text or intent.id) if holds else None,
            status,
            intent.amount if amount is None else amount,
            currency or intent.currency,
            created - timedelta(seconds=self.random.randint(0, 3)),
        )
        self.expected.rows[row.id] = ExpectedRow(end or status, intent.id)
        return row.id

    def add_lone_row(self, status: str, payment_intent: str | None, created: datetime) -> str:
        """Add a row for which Stripe has no intent; returns its key. It counts as a payment, and must stay unchanged."""
        self.expected.payments += 1
        row = self._row(
            self.new_order(), payment_intent, status, self.random_amount(), "eur", created
        )
        self.expected.rows[row.id] = ExpectedRow(status, payment_intent)
        return row.id

    def expect(self, kind: Kind, intent: IntentRecord | str) -> None:
        """Note that the sweep must find a discrepancy of this kind about the intent."""
        self.expected.add_finding(kind, intent if isinstance(intent, str) else intent.id)

    def _row(
        self,
        order: str,
        intent: str | None,
        status: str,
        amount: int,
        currency: str,
        created: datetime,
    ) -> ShopRow:
        # a random key from the seeded generator: the same seed makes the same rows
        key = str(UUID(int=self.random.getrandbits(128), version=4))
        row = ShopRow(key, order, intent, status, amount, currency, created)
        self.shop.add(row)
        return row
