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
    """What the customer has to do next.

    Only vouchers and QR codes have ``expires_at``, and only bank transfers ``amount_remaining``: what they still lack.
    """

    type: str
    expires_at: int | None = None
    amount_remaining: int | None = None


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
    balance_amount: int | None = None
    """What the balance transaction says, if that is another amount than the captured one."""

    @property
    def paid(self) -> bool:
        """Whether the charge succeeded, or was authorized and may be captured."""
        return self.status == "succeeded"

    @property
    def refunded(self) -> bool:
        """Whether everything was refunded: all that was captured, or all that was held if released money counts."""
        counts_release = self.balance_amount is not None or not self.captured
        whole = self.amount if counts_release else self.amount_captured
        return whole > 0 and self.amount_refunded >= whole


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
    failure_reason: str | None = None
    method: str = "card"

    @property
    def counts(self) -> bool:
        """Whether the charge counts its amount as refunded."""
        return self.status not in {"failed", "canceled"}


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

    @property
    def is_inquiry(self) -> bool:
        """Whether the bank only asks: no money has moved."""
        return self.status.startswith("warning_")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A Checkout Session. ``payment_intent`` is None before the customer confirms, and in other modes than payment.

    ``intent_metadata`` is the metadata that its PaymentIntent gets; ``metadata`` is the session's own.
    """

    id: str
    account: str
    livemode: bool
    created: int
    expires_at: int
    mode: str = "payment"
    status: str = "open"
    payment_status: str = "unpaid"
    amount: int | None = None
    currency: str | None = None
    method: str = "card"
    payment_intent: str | None = None
    setup_intent: str | None = None
    subscription: str | None = None
    customer: str | None = None
    client_reference_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=_no_metadata)
    intent_metadata: Mapping[str, str] = field(default_factory=_no_metadata)


EventSubject = IntentRecord | ChargeRecord | RefundRecord | DisputeRecord | SessionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event. ``snapshot`` is its object as it was at that time, ``previous`` as it was before the change.

    ``visible_at`` is when the events list begins to show the event: never earlier than ``created``.
    """

    id: str
    account: str
    livemode: bool
    created: int
    type: str
    snapshot: EventSubject
    visible_at: int
    previous: EventSubject | None = None
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
