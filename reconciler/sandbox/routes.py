"""Which endpoint answers which method and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.sandbox import reads, writes
from reconciler.sandbox.call import Call


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its name is method and path template, the unit of Stripe's rate limits."""

    method: str
    template: str
    permission: str
    handle: Callable[[Call], bytes]

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.template}"


_INTENT = "/v1/payment_intents/{id}"

ROUTES = (
    Route("GET", "/v1/account", "accounts_kyc_basic_read", reads.account),
    Route("GET", "/v1/payment_intents", "payment_intent_read", reads.list_intents),
    Route("GET", _INTENT, "payment_intent_read", reads.retrieve_intent),
    Route("GET", "/v1/charges", "charge_read", reads.list_charges),
    Route("GET", "/v1/charges/{id}", "charge_read", reads.retrieve_charge),
    Route("GET", "/v1/refunds", "charge_read", reads.list_refunds),
    Route("GET", "/v1/refunds/{id}", "charge_read", reads.retrieve_refund),
    Route("GET", "/v1/disputes", "dispute_read", reads.list_disputes),
    Route("GET", "/v1/disputes/{id}", "dispute_read", reads.retrieve_dispute),
    Route("GET", "/v1/events", "event_read", reads.list_events),
    Route("GET", "/v1/events/{id}", "event_read", reads.retrieve_event),
    Route("GET", "/v1/webhook_endpoints", "webhook_read", reads.list_endpoints),
    Route("GET", "/v1/webhook_endpoints/{id}", "webhook_read", reads.retrieve_endpoint),
    Route("GET", "/v1/checkout/sessions", "checkout_session_read", reads.list_checkout_sessions),
    Route("POST", "/v1/payment_intents", "payment_intent_write", writes.create_intent),
    Route("POST", _INTENT, "payment_intent_write", writes.update_intent),
    Route("POST", f"{_INTENT}/confirm", "payment_intent_write", writes.confirm_intent),
    Route("POST", f"{_INTENT}/capture", "payment_intent_write", writes.capture_intent),
    Route("POST", f"{_INTENT}/cancel", "payment_intent_write", writes.cancel_intent),
    Route("POST", "/v1/refunds", "charge_write", writes.create_refund),
)

_BY_SHAPE = {
    (route.method, *(part for part in route.template.split("/") if part)): route for route in ROUTES
}


def route_of(method: str, path: str) -> tuple[Route | None, str]:
    """The endpoint of a request and the id in its path; None where there is no such endpoint."""
    parts = [part for part in path.split("/") if part]
    exact = _BY_SHAPE.get((method, *parts))
    if exact is not None:
        return exact, ""
    if len(parts) < 3:
        return None, ""
    ident = parts[2]
    return _BY_SHAPE.get((method, *parts[:2], "{id}", *parts[3:])), ident
