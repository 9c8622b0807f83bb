"""HTTP answers of the sandbox, and Stripe's error bodies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.objects.to_json import encode, intent_json


@dataclass(frozen=True, slots=True)
class SandboxAnswer:
    """A complete HTTP answer. ``headers`` are those of this answer; the server adds those of every answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"

    def with_header(self, name: str, value: str) -> SandboxAnswer:
        """The same answer with one more header."""
        return replace(self, headers=(*self.headers, (name, value)))


class ApiRefusal(Exception):  # noqa: N818 - Stripe refuses; the SDK makes an error of it
    """Stripe refuses a request: the HTTP status and the error body.

    Methods of :class:`reconciler.sandbox.Sandbox` raise it too, if Stripe would refuse that change of a payment.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers
        self.extra = extra

    def answer(self, request_id: str) -> SandboxAnswer:
        """The HTTP answer: ``{"error": {…}}`` with only the fields that apply, as Stripe does."""
        error: dict[str, Any] = {}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        error["message"] = self.message
        if self.param is not None:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/logs/{request_id}"
        error["type"] = self.kind
        error.update(self.extra)
        return SandboxAnswer(self.status, encode({"error": error}), self.headers)


def unknown_object(
    kind: str, ident: str, *, other_mode_of: bool | None, param: str = "id", status: int = 404
) -> ApiRefusal:
    """Stripe's refusal for an object that does not exist: ``resource_missing``.

    Args:
        kind: Stripe's type name, such as ``payment_intent``.
        ident: The id that was requested.
        other_mode_of: If the object exists in the other mode, whether the key is a live one; else None.
        param: The parameter at fault.
        status: 404 for the object itself, 400 for one named in a parameter.
    """
    message = f"No such {kind}: '{ident}'"
    if other_mode_of is not None:
        there, here = ("test", "live") if other_mode_of else ("live", "test")
        message += f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
    return ApiRefusal(status, message, code="resource_missing", param=param)


def unknown_route(method: str, path: str) -> ApiRefusal:
    """404 for a URL that Stripe does not have."""
    return ApiRefusal(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or "
        "we can help at https://support.stripe.com/.",  # Stripe's words; banned-words: allowed
    )


def rate_limited(reason: str) -> ApiRefusal:
    """429. Stripe sends no Retry-After, only the reason."""
    return ApiRefusal(
        429,
        "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.",
        code="rate_limit",
        headers=(("Stripe-Rate-Limited-Reason", reason),),
    )


def server_error() -> ApiRefusal:
    """500 with Stripe's error body."""
    return ApiRefusal(
        500,
        "Sorry! There was an error while talking to one of our backends. "  # Stripe's words; banned-words: allowed
        "Support has been notified.",
        kind="api_error",
    )


def wrong_state(
    verb: str, participle: str, intent: IntentRecord, allowed: tuple[str, ...]
) -> ApiRefusal:
    """400: the PaymentIntent's status does not allow the request. The error has the intent in it."""
    return ApiRefusal(
        400,
        f"You cannot {verb} this PaymentIntent because it has a status of {intent.status}. Only a PaymentIntent with one "
        f"of the following statuses may be {participle}: {', '.join(allowed)}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent_json(intent),
    )


def fixed_amount(intent: IntentRecord, allowed: tuple[str, ...]) -> ApiRefusal:
    """400: the PaymentIntent's status does not allow another amount. The error has the intent in it."""
    return ApiRefusal(
        400,
        f"This PaymentIntent's amount could not be updated because it has a status of {intent.status}. You may only "
        f"update the amount of a PaymentIntent with one of the following statuses: {', '.join(allowed)}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent_json(intent),
    )
