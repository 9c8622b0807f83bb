"""What Stripe says about an id that is not a PaymentIntent's: a Checkout Session's or a charge's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final


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


UNKNOWN_AGAIN: Final = timedelta(days=1)
"""When Stripe is asked again about an id that it does not know, or that should have an intent and has none."""
EXPIRY_MARGIN: Final = timedelta(minutes=1)
"""How long after its expiry a session is read again."""


@dataclass(frozen=True, slots=True)
class IdPair:
    """Which intent the text of a merchant's column stands for; None if there is none yet, or none at all.

    Stripe is asked again at ``recheck_at``; None is never.
    """

    stored_id: str
    payment_intent: str | None
    recheck_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether Stripe is to be asked again."""
        return self.recheck_at is not None and self.recheck_at <= now


def pair_of_session(session_id: str, session: CheckoutSession | None, now: datetime) -> IdPair:
    """What a Checkout Session says of its intent. ``session`` is None if Stripe does not know it."""
    if session is None:
        return IdPair(session_id, None, now + UNKNOWN_AGAIN)
    if session.payment_intent is not None:
        return IdPair(session_id, session.payment_intent)
    if session.status == "open":
        expiry = session.expires_at or now + UNKNOWN_AGAIN
        return IdPair(session_id, None, max(expiry, now) + EXPIRY_MARGIN)
    # a setup, a subscription, a free order and an expired session never get an intent
    is_final = session.mode != "payment" or session.payment_status == "no_payment_required"
    if is_final or session.status == "expired":
        return IdPair(session_id, None)
    return IdPair(session_id, None, now + UNKNOWN_AGAIN)


def pair_of_charge(charge_id: str, charge: ChargeIntent | None, now: datetime) -> IdPair:
    """What a charge says of its intent. ``charge`` is None if Stripe does not know it."""
    if charge is None:
        return IdPair(charge_id, None, now + UNKNOWN_AGAIN)
    return IdPair(charge_id, charge.payment_intent)
