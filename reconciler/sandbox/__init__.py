"""A simulated Stripe that can fail on purpose, for the demonstration and the tests.

:class:`Sandbox` keeps payments in memory; Python code creates, changes and reads them.
:class:`SandboxServer` serves it over Stripe's API, to the official SDK and to any HTTP client.

Its folders import in one direction: ``objects``, ``faults``, ``webhooks``, ``state``, ``api``.
"""

from __future__ import annotations

from reconciler.sandbox.api.server import SandboxServer
from reconciler.sandbox.faults.faults import Faults, RequestFault
from reconciler.sandbox.faults.rate_limits import NO_LIMITS, SandboxLimits
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
    SessionRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.checkout import Checkout
from reconciler.sandbox.state.request_log import LoggedRequest, RequestLog
from reconciler.sandbox.state.sandbox import LIVE_KEY, TEST_KEY, Sandbox
from reconciler.sandbox.state.seeding import PaymentKind, fill, make, prepared
from reconciler.sandbox.state.store import ACCOUNT
from reconciler.sandbox.webhooks import Receiver, WebhookDelivery, WebhookDeliveryState, signature

__all__ = [
    "ACCOUNT",
    "API_VERSION",
    "LIVE_KEY",
    "NO_LIMITS",
    "TEST_KEY",
    "ApiRefusal",
    "ChargeRecord",
    "Checkout",
    "DisputeRecord",
    "EventRecord",
    "Faults",
    "IntentRecord",
    "LoggedRequest",
    "NextActionRecord",
    "PaymentErrorRecord",
    "PaymentKind",
    "Receiver",
    "RefundRecord",
    "RequestFault",
    "RequestLog",
    "Sandbox",
    "SandboxAnswer",
    "SandboxLimits",
    "SandboxServer",
    "SessionRecord",
    "WebhookDelivery",
    "WebhookDeliveryState",
    "WebhookEndpointRecord",
    "fill",
    "make",
    "prepared",
    "signature",
]
