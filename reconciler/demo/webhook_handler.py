"""The shop's webhook handler, written as a careful shop writes it, and which of its webhooks are lost."""

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
from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.webhooks import signature

TOLERANCE: Final = 300
"""Seconds after which a signature is too old; Stripe's own libraries use the same value."""

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
"""The status that the shop writes for each type of event that its endpoint receives."""

NEVER_LOST: Final = frozenset({"charge.refunded", "charge.dispute.created"})
"""These always arrive: a missed refund or dispute is planted on purpose, and must not come about by chance as well."""


class WebhookResult(Enum):
    """What happens to a webhook on its way into the shop's table."""

    HANDLED = "handled"
    LATE = "handled at the second try"
    ENDPOINT_DOWN = "the endpoint was down at every try"
    DROPPED = "answered 200, then the application crashed"
    NEVER_GENERATED = "Stripe never generated the event"

    @property
    def is_lost(self) -> bool:
        """Whether the shop's table never gets it."""
        return self in _LOST


_LOST: Final = frozenset(
    {WebhookResult.ENDPOINT_DOWN, WebhookResult.DROPPED, WebhookResult.NEVER_GENERATED}
)


@dataclass(frozen=True, slots=True)
class WebhookLosses:
    """Decides by seed which webhooks are lost, and how. ``lost_share`` is the share of all webhooks, 0 to 1."""

    seed: int
    lost_share: float
    late_share: float = 0.1
    """Of the webhooks that arrive, the share that arrives late."""
    not_generated_share: float = 0.2
    """The share of the lost webhooks whose event Stripe never generates."""

    def is_event_generated(self, *step: object) -> bool:
        """Whether Stripe generates an event for this step of a payment."""
        share = self.lost_share * self.not_generated_share
        return not SeededChance(self.seed).hit(share, "never generated", *step)

    def result_of(self, event_id: str) -> WebhookResult:
        """What happens to the webhook of a generated event."""
        chance = SeededChance(self.seed)
        # some events were never generated: of the others so many are lost that both together are ``lost_share``
        never = self.lost_share * self.not_generated_share
        share = (self.lost_share - never) / (1 - never)
        if chance.hit(share, "lost", event_id):
            down = chance.hit(0.5, "down", event_id)
            return WebhookResult.ENDPOINT_DOWN if down else WebhookResult.DROPPED
        is_late = chance.hit(self.late_share, "late", event_id)
        return WebhookResult.LATE if is_late else WebhookResult.HANDLED


class ShopWebhookHandler:
    """Receives webhooks and keeps ``shop.payments`` up to date, except for the webhooks that are lost.

    ``results`` has what happened to each webhook, by the event's id; a step without an event has an id of its own.
    """

    def __init__(self, shop: DemoShop, clock: Clock, losses: WebhookLosses) -> None:
        self._shop = shop
        self._clock = clock
        self._losses = losses
        self.secret = ""
        self.results: dict[str, WebhookResult] = {}

    def note_not_generated(self, step: str) -> None:
        """Note that Stripe generated no event for a step."""
        self.results[step] = WebhookResult.NEVER_GENERATED

    def receive(self, payload: bytes, headers: Mapping[str, str]) -> int:
        """Receive a webhook; returns the HTTP status of the answer."""
        # a careful shop refuses what Stripe has not signed, before it reads the payload
        if not self._is_signed(payload, headers.get("Stripe-Signature", "")):
            return 400
        event = json.loads(payload)
        is_first_try = event["id"] not in self.results
        # noted before the answer: a repeated delivery of the same event must have the same result
        result = self._result(event)
        self.results[event["id"]] = result
        if result is WebhookResult.ENDPOINT_DOWN or (result is WebhookResult.LATE and is_first_try):
            return 503
        if result is not WebhookResult.DROPPED:
            self._handle(event)
        return 200

    def _result(self, event: Mapping[str, Any]) -> WebhookResult:
        if event["type"] in NEVER_LOST:
            return WebhookResult.HANDLED
        return self._losses.result_of(event["id"])

    def _is_signed(self, payload: bytes, header: str) -> bool:
        # Stripe sends several v1 signatures while a secret is being replaced
        parts = [part.partition("=") for part in header.split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        if not stamp.isdigit():
            return False
        age = self._clock.now().timestamp() - int(stamp)
        expected = signature(payload, self.secret, int(stamp)).rpartition("v1=")[2]
        given = [value for name, _, value in parts if name == "v1"]
        return age <= TOLERANCE and any(hmac.compare_digest(expected, value) for value in given)

    def _handle(self, event: Mapping[str, Any]) -> None:
        about = event["data"]["object"]
        if event["type"] == "charge.refunded" and not (about["captured"] and about["refunded"]):
            return  # a partial refund, or a hold that was released: the row stays as it is

        # a charge or dispute names its intent, but a dispute has no order
        is_intent = about["object"] == "payment_intent"
        self._shop.take(
            about["id"] if is_intent else about["payment_intent"],
            (about.get("metadata") or {}).get("order_id"),
            STATUS_OF[event["type"]],
            datetime.fromtimestamp(event["created"], UTC),
        )
