"""The endpoints by method and path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.sandbox.api import get_endpoints, post_endpoints, search_endpoint
from reconciler.sandbox.api.api_call import ApiCall


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. Method and path template are its name, the unit of Stripe's rate limits."""

    method: str
    template: str
    permission: str
    handle: Callable[[ApiCall], bytes]

    @property
    def endpoint(self) -> str:
        """The endpoint's name, such as ``GET /v1/payment_intents/{id}``."""
        return f"{self.method} {self.template}"


_INTENT = "/v1/payment_intents/{id}"
_SESSIONS = "/v1/checkout/sessions"

ROUTES = (
    Route("GET", "/v1/account", "accounts_kyc_basic_read", get_endpoints.account),
    Route("GET", "/v1/payment_intents", "payment_intent_read", get_endpoints.list_intents),
    Route(
        "GET", "/v1/payment_intents/search", "payment_intent_read", search_endpoint.search_intents
    ),
    Route("GET", _INTENT, "payment_intent_read", get_endpoints.retrieve_intent),
    Route("GET", "/v1/charges", "charge_read", get_endpoints.list_charges),
    Route("GET", "/v1/charges/{id}", "charge_read", get_endpoints.retrieve_charge),
    Route("GET", "/v1/refunds", "charge_read", get_endpoints.list_refunds),
    Route("GET", "/v1/refunds/{id}", "charge_read", get_endpoints.retrieve_refund),
    Route("GET", "/v1/disputes", "dispute_read", get_endpoints.list_disputes),
    Route("GET", "/v1/disputes/{id}", "dispute_read", get_endpoints.retrieve_dispute),
    Route(
        "GET",
        "/v1/balance_transactions",
        "balance_read",
        get_endpoints.list_balance_transactions,
    ),
    Route("GET", "/v1/events", "event_read", get_endpoints.list_events),
    Route("GET", "/v1/events/{id}", "event_read", get_endpoints.retrieve_event),
    Route("GET", "/v1/webhook_endpoints", "webhook_read", get_endpoints.list_endpoints),
    Route("GET", "/v1/webhook_endpoints/{id}", "webhook_read", get_endpoints.retrieve_endpoint),
    Route("GET", _SESSIONS, "checkout_session_read", get_endpoints.list_sessions),
    Route("GET", f"{_SESSIONS}/{{id}}", "checkout_session_read", get_endpoints.retrieve_session),
    Route(
        "POST",
        f"{_SESSIONS}/{{id}}/expire",
        "checkout_session_write",
        post_endpoints.expire_session,
    ),
    Route("POST", "/v1/payment_intents", "payment_intent_write", post_endpoints.create_intent),
    Route("POST", _INTENT, "payment_intent_write", post_endpoints.update_intent),
    Route("POST", f"{_INTENT}/confirm", "payment_intent_write", post_endpoints.confirm_intent),
    Route("POST", f"{_INTENT}/capture", "payment_intent_write", post_endpoints.capture_intent),
    Route("POST", f"{_INTENT}/cancel", "payment_intent_write", post_endpoints.cancel_intent),
    Route("POST", "/v1/refunds", "charge_write", post_endpoints.create_refund),
)

_BY_SHAPE = {
    (route.method, *(part for part in route.template.split("/") if part)): route for route in ROUTES
}


def route_of(method: str, path: str) -> tuple[Route | None, str]:
    """The endpoint of a request, None if there is none, and the id in its path."""
    parts = [part for part in path.split("/") if part]
    exact = _BY_SHAPE.get((method, *parts))
    if exact is not None:
        return exact, ""
    for place in (2, 3):
        if len(parts) > place:
            template = (method, *parts[:place], "{id}", *parts[place + 1 :])
            found = _BY_SHAPE.get(template)
            if found is not None:
                return found, parts[place]
    return None, ""
