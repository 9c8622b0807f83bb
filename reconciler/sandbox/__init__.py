"""A Stripe that can be broken on purpose, for the demonstration and the tests.

:class:`Sandbox` is the memory: make and move payments from Python, and know the truth about them.
:class:`SandboxServer` speaks Stripe's API over it, to the official SDK as to any HTTP client.
"""

from __future__ import annotations

from reconciler.sandbox.api.server import SandboxServer
from reconciler.sandbox.api.serving import Options, opened, serve
from reconciler.sandbox.faults.faults import Break, Faults
from reconciler.sandbox.faults.rate_limits import NO_LIMITS, Limits, RequestLog, Seen
from reconciler.sandbox.objects.answers import Answer, Refusal
from reconciler.sandbox.objects.records import (
    API_VERSION,
    AttemptError,
    Charge,
    Dispute,
    Event,
    Intent,
    NextAction,
    Refund,
    WebhookEndpoint,
)
from reconciler.sandbox.state.sandbox import LIVE_KEY, TEST_KEY, Sandbox
from reconciler.sandbox.state.seeding import Kind, fill, make, prepared
from reconciler.sandbox.state.store import ACCOUNT
from reconciler.sandbox.webhooks import Delivery, Fate, Receiver, signature

__all__ = [
    "ACCOUNT",
    "API_VERSION",
    "LIVE_KEY",
    "NO_LIMITS",
    "TEST_KEY",
    "Answer",
    "AttemptError",
    "Break",
    "Charge",
    "Delivery",
    "Dispute",
    "Event",
    "Fate",
    "Faults",
    "Intent",
    "Kind",
    "Limits",
    "NextAction",
    "Options",
    "Receiver",
    "Refund",
    "Refusal",
    "RequestLog",
    "Sandbox",
    "SandboxServer",
    "Seen",
    "WebhookEndpoint",
    "fill",
    "make",
    "opened",
    "prepared",
    "serve",
    "signature",
]
