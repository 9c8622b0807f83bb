"""Both sides' values, as a finding keeps them."""

from __future__ import annotations

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment


def local_values(payment: Payment) -> dict[str, object]:
    """The row's values that a fingerprint is made of: no times."""
    return {
        "key": payment.key,
        "payment_intent": payment.payment_intent,
        "status": payment.status,
        "outcome": payment.outcome.value,
        "amount": payment.amount,
        "currency": payment.currency,
    }


def stripe_values(intent: Intent) -> dict[str, object]:
    """The intent's values that a fingerprint is made of: no times."""
    charge = intent.charge
    return {
        "status": intent.status,
        "outcome": intent.outcome.value,
        "amount": intent.amount,
        "amount_received": intent.amount_received,
        "amount_capturable": intent.amount_capturable,
        "currency": intent.currency,
        "charge": charge.id if charge else None,
        "amount_refunded": charge.amount_refunded if charge else None,
        "refunded": charge.refunded if charge else None,
        "disputed": charge.disputed if charge else None,
    }


def evidence(intent: Intent) -> dict[str, object]:
    """What a person wants to read beside the values: when it was seen, under which request, and how it came about."""
    charge = intent.charge
    return {
        "request_id": intent.request_id,
        "seen_at": intent.seen_at,
        "created": intent.created,
        "canceled_at": intent.canceled_at,
        "livemode": intent.livemode,
        "method": intent.method,
        "failure_code": intent.failure_code,
        "next_action": intent.next_action.type if intent.next_action else None,
        "charge": None
        if charge is None
        else {
            "id": charge.id,
            "status": charge.status,
            "created": charge.created,
            "amount": charge.amount,
            "amount_captured": charge.amount_captured,
            "failure_code": charge.failure_code,
            "capture_before": charge.capture_before,
        },
    }
