"""The shop's webhook handler: written as a careful shop writes it, and out of luck."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from reconciler.adapters.postgres.demo.demo_shop import DemoShop
from reconciler.clock import Clock
from reconciler.sandbox.state.chance import SeededChance
from reconciler.sandbox.webhooks import signature

TOLERANCE: Final = 300
"""Seconds after which a signature is too old, as Stripe's own libraries have it."""

STATUS_OF: Final = {
    "payment_intent.requires_action": "pending",
    "payment_intent.processing": "processing",
    "payment_intent.amount_capturable_updated": "authorized",
    "payment_intent.succeeded": "paid",
    "payment_intent.payment_failed": "failed",
    "payment_intent.canceled": "canceled",
    "charge.refunded": "refunded",
    "charge.dispute.created": "disputed",
}
"""What the shop's table says after each event that it listens to."""

NEVER_LOST: Final = frozenset({"charge.refunded", "charge.dispute.created"})
"""Money that went back is planted where it was missed: these arrive, so that no discrepancy comes about by chance."""


class WebhookFate(Enum):
    """What becomes of a webhook on its way into the shop's table."""

    HANDLED = "handled"
    LATE = "handled at the second try"
    ENDPOINT_DOWN = "the endpoint was down at every try"
    DROPPED = "answered 200, then the application crashed"
    NEVER_GENERATED = "Stripe never generated the event"

    @property
    def is_lost(self) -> bool:
        """The shop never learns of it."""
        return self in _LOST


_LOST: Final = frozenset(
    {WebhookFate.ENDPOINT_DOWN, WebhookFate.DROPPED, WebhookFate.NEVER_GENERATED}
)


@dataclass(frozen=True, slots=True)
class Luck:
    """Decides by seed which webhooks are lost, and how. ``lose`` is the share of all webhooks, 0 to 1."""

    seed: int
    lose: float
    late: float = 0.1
    """The share of those not lost that are late."""
    without_event: float = 0.2
    """The share of those lost whose event was never generated."""

    def is_generated(self, *step: object) -> bool:
        """Whether Stripe makes an event of this step of a payment."""
        share = self.lose * self.without_event
        return not SeededChance(self.seed).hit(share, "never generated", *step)

    def of_event(self, event_id: str) -> WebhookFate:
        """What becomes of an event that was generated."""
        chance = SeededChance(self.seed)
        # so that both ways together lose the share that was asked for
        never = self.lose * self.without_event
        share = (self.lose - never) / (1 - never)
        if chance.hit(share, "lost", event_id):
            down = chance.hit(0.5, "down", event_id)
            return WebhookFate.ENDPOINT_DOWN if down else WebhookFate.DROPPED
        return WebhookFate.LATE if chance.hit(self.late, "late", event_id) else WebhookFate.HANDLED


class Merchant:
    """Receives webhooks and keeps ``shop.payments`` up to date, as far as its luck goes.

    ``fates`` has what became of each webhook, by the event's id; steps without an event have an id of their own.
    """

    def __init__(self, shop: DemoShop, clock: Clock, luck: Luck) -> None:
        self._shop = shop
        self._clock = clock
        self._luck = luck
        self.secret = ""
        self.fates: dict[str, WebhookFate] = {}

    @property
    def lost(self) -> int:
        """How many webhooks the shop never learnt of."""
        return sum(fate.is_lost for fate in self.fates.values())

    def not_generated(self, step: str) -> None:
        """Take note that Stripe made no event of a step."""
        self.fates[step] = WebhookFate.NEVER_GENERATED

    def receive(self, payload: bytes, headers: Mapping[str, str]) -> int:
        """Take a delivery; answers with the HTTP status."""
        if not self._is_signed(payload, headers.get("Stripe-Signature", "")):
            return 400
        event = json.loads(payload)
        first = event["id"] not in self.fates
        fate = self._fate(event)
        self.fates[event["id"]] = fate
        if fate is WebhookFate.ENDPOINT_DOWN or (fate is WebhookFate.LATE and first):
            return 503
        if fate is not WebhookFate.DROPPED:
            self._handle(event)
        return 200

    def _fate(self, event: Mapping[str, Any]) -> WebhookFate:
        if event["type"] in NEVER_LOST:
            return WebhookFate.HANDLED
        return self._luck.of_event(event["id"])

    def _is_signed(self, payload: bytes, header: str) -> bool:
        parts = [part.partition("=") for part in header.split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        if not stamp.isdigit():
            return False
        age = self._clock.now().timestamp() - int(stamp)
        expected = signature(payload, self.secret, int(stamp)).rpartition("v1=")[2]
        given = [value for name, _, value in parts if name == "v1"]
        return age <= TOLERANCE and any(hmac.compare_digest(expected, value) for value in given)

    def _handle(self, event: Mapping[str, Any]) -> None:
        subject = event["data"]["object"]
        if event["type"] == "charge.refunded" and not (subject["captured"] and subject["refunded"]):
            return  # a part of the money, or money that was only held
        is_intent = subject["object"] == "payment_intent"
        self._shop.take(
            subject["id"] if is_intent else subject["payment_intent"],
            (subject.get("metadata") or {}).get("order_id"),
            STATUS_OF[event["type"]],
            datetime.fromtimestamp(event["created"], UTC),
        )
