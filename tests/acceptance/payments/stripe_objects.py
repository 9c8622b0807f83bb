"""Stripe's objects as JSON, cut down to what is documented and read, each field as Stripe would have it.

Every function gives one object; what a test wants otherwise it names, and the rest follows from it.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
AT_CHARGE = timedelta(seconds=30)
"""How long after its creation a PaymentIntent is charged."""

_CHARGED = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "pending"}
_numbers = itertools.count(1)


def seconds_ago(age: timedelta) -> int:
    """A time before now, as Stripe writes it."""
    return int((datetime.now(UTC) - age).timestamp())


def payment_intent(
    ident: str,
    status: str = "succeeded",
    *,
    amount: int = 1250,
    currency: str = "eur",
    age: timedelta = DAY,
    order: str | None = None,
    method: str = "card",
    captured: int | None = None,
    charge: Json | None = None,
    **fields: Any,
) -> Json:
    """A PaymentIntent with its latest charge inside.

    The status ``declined`` is Stripe's requires_payment_method after an attempt that failed. ``captured`` is what was
    captured of ``amount``; ``charge`` are fields of the charge that differ; ``order`` stands in the metadata.
    """
    created = seconds_ago(age)
    error = {"code": "card_declined", "payment_method_type": method, "type": "card_error"}
    received = (amount if captured is None else captured) if status == "succeeded" else 0
    intent = {
        "id": ident,
        "object": "payment_intent",
        "amount": amount,
        "amount_received": received,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "capture_method": "manual" if status == "requires_capture" else "automatic_async",
        "canceled_at": created + 60 if status == "canceled" else None,
        "client_secret": f"{ident}_secret_{'s' * 24}",
        "created": created,
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": error if status == "declined" else None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {} if order is None else {"order_id": order},
        "next_action": None,
        "payment_method_types": [method],
        "status": "requires_payment_method" if status == "declined" else status,
    }
    intent.update(fields)
    if status in _CHARGED or charge is not None:
        intent["latest_charge"] = _charge_of(intent, method, charge or {})
    return intent


def _charge_of(intent: Json, method: str, fields: Json) -> Json:
    charge = {
        "id": f"ch_{intent['id'].removeprefix('pi_')}",
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": intent["amount_received"] > 0,
        "created": intent["created"] + int(AT_CHARGE.total_seconds()),
        "currency": intent["currency"],
        "disputed": False,
        "failure_code": None,
        "livemode": False,
        "payment_intent": intent["id"],
        "payment_method_details": {"type": method, method: {}},
        "refunded": False,
        "status": _CHARGED.get(intent["status"], "failed"),
    }
    charge.update(fields)
    return charge


def charge_of(intent: Json) -> Json:
    """The latest charge inside a PaymentIntent that was made here."""
    charge: Json = intent["latest_charge"]
    return charge


def refund(
    intent: Json, amount: int, status: str | None = "succeeded", *, age: timedelta = HOUR
) -> Json:
    """A refund of the latest charge. The charge's own figures are the test's to set."""
    return {
        "id": f"re_{next(_numbers)}",
        "object": "refund",
        "amount": amount,
        "charge": charge_of(intent)["id"],
        "created": seconds_ago(age),
        "currency": intent["currency"],
        "payment_intent": intent["id"],
        "status": status,
    }


def dispute(
    intent: Json,
    status: str,
    *,
    amount: int | None = None,
    age: timedelta = HOUR,
    due_by: datetime | None = None,
) -> Json:
    """A dispute of the latest charge. ``due_by`` is until when the bank takes evidence."""
    return {
        "id": f"dp_{next(_numbers)}",
        "object": "dispute",
        "amount": intent["amount"] if amount is None else amount,
        "charge": charge_of(intent)["id"],
        "created": seconds_ago(age),
        "currency": intent["currency"],
        "evidence_details": {"due_by": None if due_by is None else int(due_by.timestamp())},
        "livemode": False,
        "payment_intent": intent["id"],
        "reason": "fraudulent",
        "status": status,
    }


def balance_transaction(intent: Json, amount: int, currency: str | None = None) -> Json:
    """What the latest charge added to the balance; the charge names it from then on."""
    charge = charge_of(intent)
    charge["balance_transaction"] = f"txn_{next(_numbers)}"
    return {
        "id": charge["balance_transaction"],
        "object": "balance_transaction",
        "amount": amount,
        "created": charge["created"],
        "currency": currency or intent["currency"],
        "fee": 30,
        "source": charge["id"],
        "type": "charge",
    }


def checkout_session(
    ident: str,
    intent: str | None,
    *,
    mode: str = "payment",
    status: str = "complete",
    payment_status: str = "paid",
    order: str | None = None,
    age: timedelta = DAY,
    expires_in: timedelta | None = None,
    **fields: Any,
) -> Json:
    """A Checkout Session. ``expires_in`` is counted from now; without it the session ends a day after it began."""
    created = seconds_ago(age)
    ends = created + 86_400 if expires_in is None else seconds_ago(-expires_in)
    return {
        "id": ident,
        "object": "checkout.session",
        "client_reference_id": None,
        "created": created,
        "expires_at": ends,
        "livemode": False,
        "metadata": {} if order is None else {"order_id": order},
        "mode": mode,
        "payment_intent": intent,
        "payment_status": payment_status,
        "setup_intent": None,
        "status": status,
        "subscription": None,
        **fields,
    }


def event(
    kind: str, data: Json, *, age: timedelta = DAY - 2 * AT_CHARGE, pending: int = 0, **fields: Any
) -> Json:
    """An event about an object as it was then; in an event no object stands inside another."""
    snapshot = {
        name: value["id"] if name == "latest_charge" and isinstance(value, dict) else value
        for name, value in data.items()
    }
    return {
        "id": f"evt_{next(_numbers)}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": seconds_ago(age),
        "data": {"object": snapshot},
        "livemode": False,
        "pending_webhooks": pending,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        **fields,
    }


def bank_transfer(
    ident: str, remaining: int, *, amount: int = 1250, currency: str = "eur", **fields: Any
) -> Json:
    """A PaymentIntent that waits for a bank transfer, of which ``remaining`` has not arrived."""
    instructions = {
        "amount_remaining": remaining,
        "currency": currency,
        "reference": "ABC123",
        "type": "eu_bank_transfer",
    }
    action = {
        "type": "display_bank_transfer_instructions",
        "display_bank_transfer_instructions": instructions,
    }
    return payment_intent(
        ident,
        "requires_action",
        amount=amount,
        currency=currency,
        method="customer_balance",
        next_action=action,
        **fields,
    )
