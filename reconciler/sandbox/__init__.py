"""A Stripe that can be broken on purpose, for the demonstration and the tests.

:class:`Sandbox` is the memory: make and move payments from Python, and know the truth about them.
:class:`SandboxServer` speaks Stripe's API over it, to the official SDK as to any HTTP client.
"""

from __future__ import annotations

from reconciler.sandbox.api.server import SandboxServer
from reconciler.sandbox.api.serving import ServingOptions, opened, serve
from reconciler.sandbox.faults.faults import Break, Faults
from reconciler.sandbox.faults.rate_limits import NO_LIMITS, RequestLog, SandboxLimits, Seen
from reconciler.sandbox.objects.answers import ApiRefusal, SandboxAnswer
from reconciler.sandbox.objects.records import (
    API_VERSION,
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    IntentRecord,
    NextActionRecord,
    PaymentErrorRecord,
    RefundRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.sandbox import LIVE_KEY, TEST_KEY, Sandbox
from reconciler.sandbox.state.seeding import PaymentKind, fill, make, prepared
from reconciler.sandbox.state.store import ACCOUNT
from reconciler.sandbox.webhooks import Delivery, DeliveryFate, Receiver, signature

__all__ = [
    "ACCOUNT",
    "API_VERSION",
    "LIVE_KEY",
    "NO_LIMITS",
    "TEST_KEY",
    "ApiRefusal",
    "Break",
    "ChargeRecord",
    "Delivery",
    "DeliveryFate",
    "DisputeRecord",
    "EventRecord",
    "Faults",
    "IntentRecord",
    "NextActionRecord",
    "PaymentErrorRecord",
    "PaymentKind",
    "Receiver",
    "RefundRecord",
    "RequestLog",
    "Sandbox",
    "SandboxAnswer",
    "SandboxLimits",
    "SandboxServer",
    "Seen",
    "ServingOptions",
    "WebhookEndpointRecord",
    "fill",
    "make",
    "opened",
    "prepared",
    "serve",
    "signature",
]
