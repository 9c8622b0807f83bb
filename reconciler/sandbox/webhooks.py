"""Webhook delivery: signed as Stripe signs, retried as Stripe retries, on the sandbox's own time."""

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
from reconciler.sandbox.objects.json import encode, event_shape
from reconciler.sandbox.objects.records import EventRecord, WebhookEndpointRecord
from reconciler.sandbox.state.chance import SeededChance

HOUR = 3600
# Seconds after each failed attempt. Stripe documents "up to 3 days" in live mode and 3 tries over a few hours in a
# sandbox, not the single steps.
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

# Not published by Stripe; third parties have seen 3 to 30 s.
ANSWER_WITHIN = 10.0

Receiver = Callable[[bytes, Mapping[str, str]], int]
"""Takes the payload and the headers, answers with an HTTP status: a webhook handler without the HTTP."""


class DeliveryFate(Enum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    event: EventRecord
    endpoint: WebhookEndpointRecord
    due: float
    attempts: int = 0
    last_status: int | None = None
    fate: DeliveryFate = DeliveryFate.PENDING
    lost: bool = False
    again: bool = False


def signature(payload: bytes, secret: str, timestamp: int) -> str:
    """The ``Stripe-Signature`` header: HMAC-SHA256 over ``{t}.{body}``, keyed with the whole ``whsec_…`` string."""
    digest = hmac.new(
        secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256
    ).hexdigest()
    return f"t={timestamp},v1={digest}"


def over_http(url: str) -> Receiver:
    """A receiver that posts to an address; 0 stands for no answer. A 3xx is not followed: Stripe counts it a failure."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(payload: bytes, headers: Mapping[str, str]) -> int:
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN)
        try:
            connection.request("POST", path, payload, dict(headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    return send


def wants(endpoint: WebhookEndpointRecord, event_type: str) -> bool:
    """Whether an endpoint is subscribed to a type."""
    return endpoint.status == "enabled" and (
        "*" in endpoint.enabled_events or event_type in endpoint.enabled_events
    )


class WebhookPoster:
    """Keeps what is to be delivered and delivers what is due. Safe to share between threads."""

    def __init__(self, faults: FaultPlan) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._queue: list[tuple[float, float, int, Delivery]] = []
        self._receivers: dict[str, Receiver] = {}
        self._count = 0
        self._open: Counter[str] = Counter()
        self.finished: list[Delivery] = []

    def connect(self, endpoint: WebhookEndpointRecord, receiver: Receiver) -> None:
        self._receivers[endpoint.id] = receiver

    def pending(self, event_id: str) -> int:
        """Endpoints that have not acknowledged the event, also when Stripe has given up on them."""
        return self._open[event_id]

    @property
    def waiting(self) -> int:
        """Deliveries still to be tried."""
        with self._lock:
            return len(self._queue)

    def next_due(self) -> float | None:
        """When the earliest delivery is due, in Unix seconds."""
        with self._lock:
            return self._queue[0][0] if self._queue else None

    def post(self, event: EventRecord, endpoint: WebhookEndpointRecord, now: float) -> None:
        """Queue an event for an endpoint, with its faults decided by the event's id."""
        shares = self._faults.shares
        chance = SeededChance(shares.seed)
        late = shares.late_by if chance.hit(shares.webhooks_late, "late", event.id) else 0.0
        delivery = Delivery(
            event=event,
            endpoint=endpoint,
            due=now + late,
            lost=chance.hit(shares.webhooks_lost, "lost", event.id),
        )
        # A reordered one lets a few that come after it sweep, also among those due in the same second.
        behind = 0.0
        if chance.hit(shares.webhooks_reordered, "reordered", event.id):
            behind = 1.5 + int(chance.between(0, 4, "behind", event.id))
        with self._lock:
            self._open[event.id] += 1
            self._push(delivery, behind)
            if chance.hit(shares.webhooks_duplicated, "duplicated", event.id):
                self._push(replace(delivery, again=True), 0.5)

    def _push(self, delivery: Delivery, behind: float = 0.0) -> None:
        self._count += 1
        heapq.heappush(self._queue, (delivery.due, self._count + behind, self._count, delivery))

    def deliver_due(self, now: Callable[[], float]) -> int:
        """Deliver, in order, everything due; returns the attempts made. Called again for what a delivery causes."""
        attempts = 0
        while True:
            with self._lock:
                if not self._queue or self._queue[0][0] > now():
                    return attempts
                delivery = heapq.heappop(self._queue)[3]
            attempts += 1
            self._settle(delivery, self._attempt(delivery, int(now())), now())

    def _attempt(self, delivery: Delivery, timestamp: int) -> int:
        if delivery.lost:
            return 0
        pending = self.pending(delivery.event.id)
        payload = encode(event_shape(delivery.event, pending))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Accept": "*/*; q=0.5, application/xml",
            "Stripe-Signature": signature(payload, delivery.endpoint.secret, timestamp),
        }
        return self._receivers[delivery.endpoint.id](payload, headers)

    def _settle(self, delivery: Delivery, status: int, now: float) -> None:
        tried = replace(delivery, attempts=delivery.attempts + 1, last_status=status)
        retries = LIVE_RETRIES if delivery.event.livemode else TEST_RETRIES
        with self._lock:
            if 200 <= status < 300:
                self.finished.append(replace(tried, fate=DeliveryFate.DELIVERED))
                if not delivery.again:
                    self._acknowledge(delivery.event.id)
            elif delivery.again or delivery.attempts >= len(retries):
                self.finished.append(replace(tried, fate=DeliveryFate.FAILED))
            else:
                self._push(replace(tried, due=now + retries[delivery.attempts]))

    def _acknowledge(self, event_id: str) -> None:
        self._open[event_id] -= 1
        if self._open[event_id] <= 0:
            del self._open[event_id]
