"""Reads Stripe. The only package that imports ``stripe`` and ``tenacity``."""

from __future__ import annotations

from reconciler.adapters.http.http_client import Timeouts
from reconciler.adapters.stripe_gateway.gateway import API_BASE, StripeGateway
from reconciler.adapters.stripe_gateway.reader import Retries

__all__ = ["API_BASE", "Retries", "StripeGateway", "Timeouts"]
