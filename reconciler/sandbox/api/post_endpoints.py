"""The POST endpoints. Each takes a call and returns the body of its answer, or raises ApiRefusal."""

from __future__ import annotations

from reconciler.sandbox.api import parameters
from reconciler.sandbox.api.api_call import ApiCall
from reconciler.sandbox.api.confirm_endpoint import confirm_or_refuse
from reconciler.sandbox.api.get_endpoints import (
    CHARGES,
    INTENTS,
    SESSIONS,
    intent_bytes,
    intent_expansions,
)
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.charge_to_json import refund_json
from reconciler.sandbox.objects.currencies import raise_if_not_chargeable
from reconciler.sandbox.objects.payment_methods import METHODS, Token, token_of
from reconciler.sandbox.objects.session_to_json import session_json
from reconciler.sandbox.objects.to_json import encode
from reconciler.sandbox.state.checkout import Checkout

CAPTURE_METHODS = ("automatic", "automatic_async", "manual")
CANCEL_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")

# Stripe understands these parameters; they have no effect in the sandbox.
_IGNORED = (
    "automatic_payment_methods", "confirmation_method", "error_on_requires_action", "mandate", "mandate_data",
    "off_session", "payment_method_configuration", "payment_method_options", "receipt_email", "return_url",
    "setup_future_usage", "shipping", "statement_descriptor", "statement_descriptor_suffix", "use_stripe_sdk",
)  # fmt: skip
_OF_NEW_INTENT = (
    "amount", "capture_method", "confirm", "currency", "customer", "description", "metadata", "expand"
)  # fmt: skip
_METHOD = ("payment_method", "payment_method_data")


def create_intent(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, (*_OF_NEW_INTENT, *_METHOD, *_IGNORED))
    paths = intent_expansions(call, listing=False)
    amount = parameters.integer(parameters.required(call.params, "amount"), "amount")
    if amount < 1:
        raise ApiRefusal(400, "This value must be greater than or equal to 1.",
                      code="parameter_invalid_integer", param="amount")  # fmt: skip
    capture_method = parameters.text(call.params, "capture_method") or CAPTURE_METHODS[1]
    if capture_method not in CAPTURE_METHODS:
        raise ApiRefusal(
            400,
            f"Invalid capture_method: must be one of {', '.join(CAPTURE_METHODS)}",
            param="capture_method",
        )
    token = _token(call)
    currency = parameters.required(call.params, "currency").lower()
    raise_if_not_chargeable(amount, currency, token.method if token else "card")
    intent = call.sandbox.create_payment(
        amount,
        currency,
        method=token.method if token else "card",
        capture_method=capture_method,
        customer=parameters.text(call.params, "customer"),
        description=parameters.text(call.params, "description"),
        metadata=parameters.metadata(call.params),
        account=call.records.account,
        livemode=call.records.livemode,
    )
    if parameters.flag(call.params, "confirm"):
        return confirm_or_refuse(call, intent, token, paths)
    if token is not None:
        intent = call.sandbox.attach(intent.id, token=token)
    return intent_bytes(call, intent, paths)


def update_intent(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, ("amount", "description", "metadata", "expand", *_METHOD, *_IGNORED)
    )
    paths = intent_expansions(call, listing=False)
    intent = call.find("payment_intent", INTENTS)
    amount = parameters.optional_integer(call.params, "amount")
    if amount is not None:
        raise_if_not_chargeable(amount, intent.currency, intent.method)
    intent = call.sandbox.update(
        intent.id,
        amount=amount,
        description=parameters.text(call.params, "description"),
        metadata=parameters.metadata(call.params),
    )
    token = _token(call)
    if token is not None:
        intent = call.sandbox.attach(intent.id, token=token)
    return intent_bytes(call, intent, paths)


def confirm_intent(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("expand", *_METHOD, *_IGNORED))
    paths = intent_expansions(call, listing=False)
    return confirm_or_refuse(call, call.find("payment_intent", INTENTS), _token(call), paths)


def capture_intent(call: ApiCall) -> bytes:
    known = (
        "amount_to_capture",
        "final_capture",
        "metadata",
        "statement_descriptor",
        "statement_descriptor_suffix",
    )
    parameters.raise_if_unknown(call.params, (*known, "expand"))
    paths = intent_expansions(call, listing=False)
    intent = call.find("payment_intent", INTENTS)
    final = parameters.flag(call.params, "final_capture")
    captured = call.sandbox.capture(
        intent.id,
        parameters.optional_integer(call.params, "amount_to_capture"),
        final=True if final is None else final,
    )
    return intent_bytes(call, captured, paths)


def cancel_intent(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("cancellation_reason", "expand"))
    paths = intent_expansions(call, listing=False)
    reason = parameters.text(call.params, "cancellation_reason")
    if reason is not None and reason not in CANCEL_REASONS:
        raise ApiRefusal(400, f"Invalid cancellation_reason: must be one of {', '.join(CANCEL_REASONS)}",
                      param="cancellation_reason")  # fmt: skip
    intent = call.find("payment_intent", INTENTS)
    return intent_bytes(call, call.sandbox.cancel(intent.id, reason), paths)


def create_refund(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, ("amount", "charge", "metadata", "payment_intent", "reason", "expand")
    )
    if "charge" in call.params:
        ident = call.find("charge", CHARGES, param="charge").payment_intent
    elif "payment_intent" in call.params:
        ident = call.find("payment_intent", INTENTS, param="payment_intent").id
    else:
        raise ApiRefusal(
            400,
            "One of the following params should be provided for this request: payment_intent or charge.",
        )
    amount = parameters.optional_integer(call.params, "amount")
    call.sandbox.refund(ident, amount, reason=parameters.text(call.params, "reason"))
    return encode(refund_json(call.sandbox.refunds(ident)[-1]))


def expire_session(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("expand",))
    session = call.find("checkout.session", SESSIONS)
    return encode(session_json(Checkout(call.sandbox).expire(session.id)))


def _token(call: ApiCall) -> Token | None:
    """The test payment method that the request names, None if it names none."""
    name = parameters.text(call.params, "payment_method")
    data = call.params.get("payment_method_data")
    if name is None and isinstance(data, dict):
        kind = data.get("type")
        if not isinstance(kind, str) or kind not in METHODS:
            raise ApiRefusal(
                400,
                f"The payment method type provided: {kind} is invalid.",
                param="payment_method_data[type]",
            )
        name = f"pm_{kind}"
    if name is None:
        return None
    token = token_of(name)
    if token is None:
        raise ApiRefusal(
            400, f"No such PaymentMethod: '{name}'", code="resource_missing", param="payment_method"
        )
    return token
