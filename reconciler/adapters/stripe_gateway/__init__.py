"""Reads Stripe. The only package that imports ``stripe`` and ``tenacity``."""

from __future__ import annotations

from reconciler.adapters.stripe_gateway.gateway import API_BASE, StripeGateway
from reconciler.adapters.stripe_gateway.reader import Retries
from reconciler.adapters.stripe_gateway.transport import Timeouts

__all__ = ["API_BASE", "Retries", "StripeGateway", "Timeouts"]
