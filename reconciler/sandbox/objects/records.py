"""Stripe's objects as frozen records, in Stripe's own words.

A record is never changed, only replaced, so an event can keep the record itself as its snapshot.
Amounts are integers in minor units, times are Unix seconds, as Stripe sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

API_VERSION = "2026-10-28.endive"

_EMPTY: Mapping[str, str] = MappingProxyType({})


def _no_metadata() -> Mapping[str, str]:
    return _EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentErrorRecord:
    """Why the last attempt failed: Stripe's ``last_payment_error``."""

    code: str
    message: str
    decline_code: str | None = None
    type: str = "card_error"
    charge: str | None = None
    payment_method: str | None = None
    payment_method_type: str = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextActionRecord:
    """What the customer has to do next. Only vouchers and QR codes have ``expires_at``."""

    type: str
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """A PaymentIntent. ``status`` is a string, because a test may set one that Stripe does not have."""

    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    status: str = "requires_payment_method"
    capture_method: str = "automatic_async"
    method: str = "card"
    payment_method: str | None = None
    amount_capturable: int = 0
    amount_received: int = 0
    latest_charge: str | None = None
    last_payment_error: PaymentErrorRecord | None = None
    next_action: NextActionRecord | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    customer: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=_no_metadata)
    secret: str = field(default="", repr=False)

    @property
    def client_secret(self) -> str:
        """Lets a browser confirm this intent. Reconciler must never keep it."""
        return f"{self.id}_secret_{self.secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRecord:
    """One attempt to collect the money of an intent."""

    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    payment_intent: str
    status: str
    method: str = "card"
    payment_method: str | None = None
    customer: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=_no_metadata)
    captured: bool = False
    amount_captured: int = 0
    amount_refunded: int = 0
    disputed: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    decline_code: str | None = None
    capture_before: int | None = None

    @property
    def paid(self) -> bool:
        """Whether the charge succeeded, or was authorized and may be captured."""
        return self.status == "succeeded"

    @property
    def refunded(self) -> bool:
        """Whether the whole amount was refunded."""
        return self.amount > 0 and self.amount_refunded >= self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRecord:
    """A refund."""

    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    status: str = "succeeded"
    reason: str | None = None
    method: str = "card"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRecord:
    """A dispute: the customer's bank demands the money back."""

    id: str
    account: str
    livemode: bool
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    status: str = "needs_response"
    reason: str = "fraudulent"
    method: str = "card"


EventSubject = IntentRecord | ChargeRecord | RefundRecord | DisputeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event. ``snapshot`` is its object as it was at that time.

    ``visible_at`` is when the events list begins to show the event: never earlier than ``created``.
    """

    id: str
    account: str
    livemode: bool
    created: int
    type: str
    snapshot: EventSubject
    visible_at: int
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointRecord:
    """An address that receives events. ``secret`` signs them; Stripe shows it only to its owner."""

    id: str
    account: str
    livemode: bool
    created: int
    url: str
    secret: str = field(repr=False)
    enabled_events: tuple[str, ...] = ("*",)
    status: str = "enabled"


Record = EventSubject | EventRecord | WebhookEndpointRecord
