"""Webhook delivery: signed and retried as Stripe does, on the sandbox's own time."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import http.client
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import urlsplit

from reconciler.sandbox.faults.faults import FaultPlan
from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.objects.records import EventRecord, WebhookEndpointRecord
from reconciler.sandbox.objects.to_json import encode, event_json

HOUR = 3600
# Seconds after each failed attempt. Stripe documents "up to 3 days" in live mode and 3 tries over a few hours in a
# sandbox, but not each step.
LIVE_RETRIES = (
    300,
    1800,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
)
TEST_RETRIES = (HOUR, 2 * HOUR)

# Stripe does not publish this timeout; third parties have measured 3 to 30 s.
TIMEOUT_SECONDS = 10.0

Receiver = Callable[[bytes, Mapping[str, str]], int]
"""A webhook handler as a function: from payload and headers to an HTTP status, 0 for no answer."""


class WebhookDeliveryState(Enum):
    """The state of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """The delivery of one event to one endpoint.

    ``due`` is the time of the next attempt in Unix seconds. A lost delivery never arrives.
    """

    event: EventRecord
    endpoint: WebhookEndpointRecord
    due: float
    attempts: int = 0
    state: WebhookDeliveryState = WebhookDeliveryState.PENDING
    is_lost: bool = False
    is_duplicate: bool = False


def signature(payload: bytes, secret: str, timestamp: int) -> str:
    """The ``Stripe-Signature`` header: HMAC-SHA256 over ``{t}.{body}``, keyed with the whole ``whsec_…`` string."""
    digest = hmac.new(
        secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256
    ).hexdigest()
    return f"t={timestamp},v1={digest}"


def http_receiver(url: str) -> Receiver:
    """A receiver that posts to an address. A redirect is not followed, because Stripe counts it as a failure."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(payload: bytes, headers: Mapping[str, str]) -> int:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, payload, dict(headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    return send


def is_subscribed(endpoint: WebhookEndpointRecord, event_type: str) -> bool:
    """Whether an endpoint receives events of this type."""
    return endpoint.status == "enabled" and (
        "*" in endpoint.enabled_events or event_type in endpoint.enabled_events
    )


class WebhookQueue:
    """Keeps the pending deliveries and makes those that are due. Safe to share between threads."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._queue: list[tuple[float, float, int, WebhookDelivery]] = []
        self._receivers: dict[str, Receiver] = {}
        self._count = 0
        self._open: Counter[str] = Counter()
        self.finished: list[WebhookDelivery] = []

    def connect(self, endpoint: WebhookEndpointRecord, receiver: Receiver) -> None:
        """Send the endpoint's events to this receiver."""
        self._receivers[endpoint.id] = receiver

    def pending(self, event_id: str) -> int:
        """The number of endpoints that have not acknowledged the event, even after Stripe's last attempt."""
        return self._open[event_id]

    @property
    def waiting(self) -> int:
        """The number of deliveries with another attempt to come."""
        with self._lock:
            return len(self._queue)

    def next_due(self) -> float | None:
        """The time of the next attempt, in Unix seconds; None if there is none."""
        with self._lock:
            return self._queue[0][0] if self._queue else None

    def post(self, event: EventRecord, endpoint: WebhookEndpointRecord, now: float) -> None:
        """Queue an event for an endpoint. The event's id decides about its faults."""
        shares = self._faults.shares
        chance = SeededChance(shares.seed)
        late = shares.late_by if chance.hit(shares.webhooks_late, "late", event.id) else 0.0
        delivery = WebhookDelivery(
            event=event,
            endpoint=endpoint,
            due=now + late,
            is_lost=chance.hit(shares.webhooks_lost, "lost", event.id),
        )

        # a reordered delivery comes after a few later ones, even if they are due in the same second
        behind = 0.0
        if chance.hit(shares.webhooks_reordered, "reordered", event.id):
            behind = 1.5 + int(chance.between(0, 4, "behind", event.id))
        with self._lock:
            self._open[event.id] += 1
            self._push(delivery, behind)
            if chance.hit(shares.webhooks_duplicated, "duplicated", event.id):
                self._push(replace(delivery, is_duplicate=True), 0.5)

    def _push(self, delivery: WebhookDelivery, behind: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._queue, (delivery.due, self._count + behind, self._count, delivery))

    def deliver_due(self, now: Callable[[], float]) -> int:
        """Make every due attempt, in order, and those that an attempt causes. Returns the number of attempts."""
        attempts = 0
        while True:
            with self._lock:
                if not self._queue or self._queue[0][0] > now():
                    return attempts
                delivery = heapq.heappop(self._queue)[3]
            attempts += 1
            self._note_result(delivery, self._attempt(delivery, int(now())), now())

    def _attempt(self, delivery: WebhookDelivery, timestamp: int) -> int:
        if delivery.is_lost:
            return 0
        pending = self.pending(delivery.event.id)
        payload = encode(event_json(delivery.event, pending))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
            "Stripe-Signature": signature(payload, delivery.endpoint.secret, timestamp),
        }
        return self._receivers[delivery.endpoint.id](payload, headers)

    def _note_result(self, delivery: WebhookDelivery, status: int, now: float) -> None:
        tried = replace(delivery, attempts=delivery.attempts + 1)
        retries = LIVE_RETRIES if delivery.event.livemode else TEST_RETRIES
        with self._lock:
            if 200 <= status < 300:
                self.finished.append(replace(tried, state=WebhookDeliveryState.DELIVERED))
                if not delivery.is_duplicate:
                    self._acknowledge(delivery.event.id)
            elif delivery.is_duplicate or delivery.attempts >= len(retries):
                self.finished.append(replace(tried, state=WebhookDeliveryState.FAILED))
            else:
                self._push(replace(tried, due=now + retries[delivery.attempts]))

    def _acknowledge(self, event_id: str) -> None:
        self._open[event_id] -= 1
        if self._open[event_id] <= 0:
            del self._open[event_id]
