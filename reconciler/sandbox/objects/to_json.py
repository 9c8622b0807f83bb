"""The JSON of Stripe's objects, in the API version of SDK 16.1, with every field that a reader may rely on."""

from __future__ import annotations

import msgspec

from reconciler.sandbox.objects.charge_to_json import (
    CUSTOMER,
    Json,
    charge_json,
    dispute_json,
    refund_json,
)
from reconciler.sandbox.objects.next_actions import next_action_json
from reconciler.sandbox.objects.payment_methods import METHODS
from reconciler.sandbox.objects.records import (
    API_VERSION,
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    EventSubject,
    IntentRecord,
    PaymentErrorRecord,
    Record,
    RefundRecord,
    SessionRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.objects.session_to_json import session_json

# The place in the intent's JSON for the charge's id, or for the whole charge. User text escapes NUL, so it is unique.
_GAP = msgspec.Raw(b"\0")
_DASHBOARD = "https://dashboard.stripe.com"

_encoder = msgspec.json.Encoder()


def encode(shape: Json) -> bytes:
    """JSON over several lines, as Stripe sends it."""
    return msgspec.json.format(_encoder.encode(shape), indent=2)


def intent_parts(intent: IntentRecord) -> tuple[bytes, bytes]:
    """The intent's JSON before and after the value of ``latest_charge``."""
    shape = intent_json(intent)
    shape["latest_charge"] = _GAP
    before, _, after = _encoder.encode(shape).partition(b"\0")

    # Only a complete document can be formatted, so each half is completed first and cut again afterwards.
    head = msgspec.json.format(before + b"0}", indent=2)
    tail = msgspec.json.format(b'{"x":0' + after, indent=2)
    return head[: head.rindex(b"0")], tail[tail.index(b"0") + 1 :]


def whole_bytes(record: Record) -> tuple[bytes, bytes]:
    """The record's JSON as one part, for objects without an expandable field."""
    return encode(record_json(record)), b""


def record_json(record: Record, pending_webhooks: int = 0) -> Json:
    """The JSON of any object, with nothing expanded."""
    if isinstance(record, IntentRecord):
        return intent_json(record)
    if isinstance(record, ChargeRecord):
        return charge_json(record)
    if isinstance(record, RefundRecord):
        return refund_json(record)
    if isinstance(record, DisputeRecord):
        return dispute_json(record)
    if isinstance(record, SessionRecord):
        return session_json(record)
    if isinstance(record, WebhookEndpointRecord):
        return endpoint_json(record)
    return event_json(record, pending_webhooks)


def type_name(snapshot: EventSubject) -> str:
    """The object's type, such as ``payment_intent``."""
    return {
        IntentRecord: "payment_intent",
        ChargeRecord: "charge",
        RefundRecord: "refund",
        DisputeRecord: "dispute",
        SessionRecord: "checkout.session",
    }[type(snapshot)]


def intent_json(intent: IntentRecord) -> Json:
    """An intent as Stripe's API shows it, its latest charge as an id."""
    return {
        "id": intent.id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": intent.customer,
        "customer_account": None,
        "description": intent.description,
        "excluded_payment_method_types": None,
        "hooks": None,
        "last_payment_error": _error_json(intent, intent.last_payment_error),
        "latest_charge": intent.latest_charge,
        "livemode": intent.livemode,
        "managed_payments": {"enabled": False},
        "metadata": dict(intent.metadata),
        "next_action": None
        if intent.next_action is None
        else next_action_json(intent, intent.next_action),
        "on_behalf_of": None,
        "payment_details": None,
        "payment_method": intent.payment_method,
        "payment_method_configuration_details": {
            "id": "pmc_1OzfHEB7WZ01zgkWnVkGbCrw",
            "parent": None,
        },
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            },
            "link": {"persistent_token": None},
        },
        "payment_method_types": ["card", "link"] if intent.method == "card" else [intent.method],
        "payment_record": None,
        "presentment_details": None,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": intent.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _error_json(intent: IntentRecord, error: PaymentErrorRecord | None) -> Json | None:
    if error is None:
        return None
    mode = "" if intent.livemode else "/test"
    shape: Json = {
        "advice_code": "try_again_later" if error.decline_code else None,
        "charge": error.charge,
        "code": error.code,
        "decline_code": error.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{error.code.replace('_', '-')}",
        "message": error.message,
        "network_decline_code": "01" if error.decline_code else None,
        "payment_method": _method_json(intent, error) if error.payment_method else None,
        "payment_method_type": error.payment_method_type,
        "request_log_url": f"{_DASHBOARD}{mode}/logs/req_{intent.id[-14:]}",
        "type": error.type,
    }
    return {name: value for name, value in shape.items() if value is not None}


def _method_json(intent: IntentRecord, error: PaymentErrorRecord) -> Json:
    return payment_method_json(
        str(error.payment_method),
        error.payment_method_type,
        created=intent.created,
        customer=intent.customer,
        livemode=intent.livemode,
    )


def payment_method_json(
    ident: str, kind: str, *, created: int, customer: str | None, livemode: bool
) -> Json:
    """A PaymentMethod as Stripe's API shows it."""
    method = METHODS[kind]
    return {
        "id": ident,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": CUSTOMER,
        kind: {name: method.details[name] for name in method.stored},
        "created": created,
        "customer": customer,
        "customer_account": None,
        "livemode": livemode,
        "metadata": {},
        "type": kind,
    }


def endpoint_json(endpoint: WebhookEndpointRecord) -> Json:
    """A webhook endpoint as Stripe's API shows it, without its secret."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": endpoint.created,
        "description": None,
        "enabled_events": list(endpoint.enabled_events),
        "livemode": endpoint.livemode,
        "metadata": {},
        "status": endpoint.status,
        "url": endpoint.url,
    }


def event_json(event: EventRecord, pending_webhooks: int) -> Json:
    """An event as Stripe's API shows it. ``pending_webhooks`` counts the endpoints that have not acknowledged it."""
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": event.created,
        "data": _event_data(event),
        "livemode": event.livemode,
        "pending_webhooks": pending_webhooks,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


def _event_data(event: EventRecord) -> Json:
    """The object as it was then. The events of updates also have what the changed fields were before."""
    present = record_json(event.snapshot)
    tells_previous = event.type.endswith(".updated") or event.type == "charge.refunded"
    if event.previous is None or not tells_previous:
        return {"object": present}
    before = record_json(event.previous)
    changed = {name: value for name, value in before.items() if present.get(name) != value}
    return {"object": present, "previous_attributes": changed}
