"""Stripe, for reading: the only place that imports ``stripe``, ``tenacity``, ``httpx`` and ``msgspec`` for it."""

from __future__ import annotations

from reconciler.adapters.stripe_gateway.access import NEEDED, KeyAccess, ResourceAccess
from reconciler.adapters.stripe_gateway.gateway import API_BASE, StripeGateway
from reconciler.adapters.stripe_gateway.retrying import Retries
from reconciler.adapters.stripe_gateway.transport import Timeouts

__all__ = [
    "API_BASE",
    "NEEDED",
    "KeyAccess",
    "ResourceAccess",
    "Retries",
    "StripeGateway",
    "Timeouts",
]
