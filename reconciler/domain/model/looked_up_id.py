"""What Stripe says about an id that is not a PaymentIntent's: a Checkout Session's or a charge's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A Checkout Session. ``metadata`` holds only the configured keys.

    ``payment_intent`` is None in the modes ``setup`` and ``subscription``, and before the customer confirms. ``status``
    is ``open``, ``complete`` or ``expired``; ``payment_status`` is ``paid``, ``unpaid`` or ``no_payment_required``.
    Stripe may add values to each of them. An expired session says nothing about money.
    """

    id: str
    payment_intent: str | None
    mode: str
    status: str | None
    payment_status: str
    expires_at: datetime | None = None
    client_reference_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def order(self, link_metadata: str | None) -> str | None:
        """The order that the session names: the metadata of this key, else ``client_reference_id``."""
        named = None if link_metadata is None else self.metadata.get(link_metadata)
        return named or self.client_reference_id or None


@dataclass(frozen=True, slots=True)
class ChargeIntent:
    """Which PaymentIntent a charge belongs to; None for a charge that was made without one."""

    charge: str
    payment_intent: str | None
