"""The JSON of charges, refunds and disputes."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox.objects.payment_methods import METHODS
from reconciler.sandbox.objects.records import ChargeRecord, DisputeRecord, RefundRecord

Json = dict[str, Any]

_NO_ADDRESS = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}
CUSTOMER = {
    "address": {**_NO_ADDRESS, "country": "US", "postal_code": "42424"},
    "email": "jenny.rosen@example.com",
    "name": "Jenny Rosen",
    "phone": None,
    "tax_id": None,
}


def charge_json(charge: ChargeRecord) -> Json:
    """A charge as Stripe's API shows it."""
    mode = "" if charge.livemode else "test_"
    settled = charge.status == "succeeded" and charge.captured
    return {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": f"txn_{charge.id[3:]}" if settled else None,
        "billing_details": CUSTOMER,
        "calculated_statement_descriptor": "SHOP.EXAMPLE.COM",
        "captured": charge.captured,
        "created": charge.created,
        "currency": charge.currency,
        "customer": charge.customer,
        "description": charge.description,
        "disputed": charge.disputed,
        "failure_balance_transaction": None,
        "failure_code": charge.failure_code,
        "failure_message": charge.failure_message,
        "fraud_details": {},
        "livemode": charge.livemode,
        "metadata": dict(charge.metadata),
        "on_behalf_of": None,
        "outcome": _outcome_json(charge),
        "paid": charge.paid,
        "payment_intent": charge.payment_intent,
        "payment_method": charge.payment_method,
        "payment_method_details": _details_json(charge),
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"https://pay.stripe.com/receipts/payment/{mode}CAcaFwoVYWNjdF8xUGdhZlRCN1daMDF6Z2tX{charge.id}",
        "refunded": charge.refunded,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": charge.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome_json(charge: ChargeRecord) -> Json | None:
    if charge.status == "pending":
        return None
    failed = charge.status == "failed"
    return {
        "advice_code": "try_again_later" if charge.decline_code else None,
        "network_advice_code": None,
        "network_decline_code": "01" if charge.decline_code else None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": charge.decline_code or charge.failure_code,
        "risk_level": "normal",
        "risk_score": 27,
        "seller_message": "The bank did not return any further details with this decline."
        if failed
        else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _details_json(charge: ChargeRecord) -> Json:
    details = METHODS[charge.method].details
    if charge.method == "card":
        details = {
            **details,
            "amount_authorized": charge.amount if charge.paid else None,
            "overcapture": {"maximum_amount_capturable": charge.amount, "status": "unavailable"},
        }
        if charge.capture_before is not None:
            details["capture_before"] = charge.capture_before
    return {charge.method: details, "type": charge.method}


def refund_json(refund: RefundRecord) -> Json:
    """A refund as Stripe's API shows it."""
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": f"txn_{refund.id[3:]}",
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "customer": None,
        "customer_account": None,
        "destination_details": _destination_json(refund),
        "failure_balance_transaction": None if refund.counts else f"txn_{refund.id[3:]}F",
        "failure_reason": refund.failure_reason,
        "metadata": {},
        "payment_intent": refund.payment_intent,
        "pending_reason": "processing" if refund.status == "pending" else None,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }


_WITH_REFERENCE = ("multibanco", "swish")
_CARDS = ("card", "card_present")


def _destination_json(refund: RefundRecord) -> Json:
    """Where the money goes. Only a card's has fields that need values."""
    if refund.method in _CARDS:
        return {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"}
    if refund.method in _WITH_REFERENCE:
        return {refund.method: {"reference": None, "reference_status": None}, "type": refund.method}
    return {"type": refund.method}


def balance_transaction_json(
    source: ChargeRecord | RefundRecord, *, currency: str | None = None
) -> Json:
    """The balance transaction of a charge or a refund as Stripe's API shows it, without fees."""
    is_charge = isinstance(source, ChargeRecord)
    if isinstance(source, ChargeRecord):
        amount = source.amount_captured if source.balance_amount is None else source.balance_amount
    else:
        amount = -source.amount
    kind = "charge" if source.method in _CARDS else "payment"
    return {
        "id": f"txn_{source.id[3:]}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": source.created + 2 * 86_400,
        "balance_type": "payments",
        "created": source.created,
        "currency": currency or source.currency,
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": amount,  # Stripe's field; banned-words: allowed
        "reporting_category": "charge" if is_charge else "refund",
        "source": source.id,
        "status": "pending",
        "type": kind if is_charge else f"{'' if kind == 'charge' else 'payment_'}refund",
    }


_WITH_DETAILS = ("amazon_pay", "card", "klarna", "paypal")
_NEEDS_RESPONSE = ("needs_response", "warning_needs_response", "appeal_needs_response")


def dispute_json(dispute: DisputeRecord) -> Json:
    """A dispute as Stripe's API shows it."""
    waits = dispute.status in _NEEDS_RESPONSE
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": [],
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": {
            "customer_name": "Jenny Rosen",
            "enhanced_evidence": {},
            "uncategorized_text": None,
        },
        "evidence_details": {
            "due_by": dispute.created + 14 * 86_400 if waits else None,
            "enhanced_eligibility": {},
            "has_evidence": not waits,
            "past_due": False,
            "submission_count": 0 if waits else 1,
            "submission_method": "not_submitted" if waits else "manual",
        },
        "is_charge_refundable": dispute.is_inquiry,
        "livemode": dispute.livemode,
        "metadata": {},
        "payment_intent": dispute.payment_intent,
        "payment_method_details": _disputed_method_json(dispute),
        "reason": dispute.reason,
        "status": dispute.status,
    }


def _disputed_method_json(dispute: DisputeRecord) -> Json | None:
    if dispute.method not in _WITH_DETAILS:
        return None
    shapes: dict[str, Json] = {
        "card": {
            "brand": "visa",
            "case_type": "inquiry" if dispute.is_inquiry else "chargeback",
            "network": "visa",
            "network_reason_code": "10.4",
        },
        "klarna": {"chargeback_loss_reason_code": None, "reason_code": None},
        "paypal": {"case_id": None, "reason_code": None},
        "amazon_pay": {"dispute_type": None},
    }
    return {dispute.method: shapes[dispute.method], "type": dispute.method}
