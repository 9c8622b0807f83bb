"""The JSON of Checkout Sessions."""

from __future__ import annotations

from reconciler.sandbox.objects.charge_to_json import CUSTOMER, Json
from reconciler.sandbox.objects.records import SessionRecord


def session_json(session: SessionRecord) -> Json:
    """A Checkout Session as Stripe's API shows it. Only an open one has a URL."""
    is_open = session.status == "open"
    customer = {name: CUSTOMER[name] for name in ("address", "email", "name", "phone")}
    return {
        "id": session.id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": "https://shop.example.com/cart",
        "client_reference_id": session.client_reference_id,
        "client_secret": None,
        "consent": None,
        "consent_collection": None,
        "created": session.created,
        "currency": session.currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": session.customer,
        "customer_account": None,
        "customer_creation": "if_required" if session.mode == "payment" else "always",
        "customer_details": None if is_open else {**customer, "tax_exempt": "none", "tax_ids": []},
        "customer_email": None,
        "discounts": [],
        "expires_at": session.expires_at,
        "invoice": None,
        "invoice_creation": None,
        "livemode": session.livemode,
        "locale": None,
        "metadata": dict(session.metadata),
        "mode": session.mode,
        "payment_intent": session.payment_intent,
        "payment_link": None,
        "payment_method_collection": "if_required" if session.mode == "payment" else "always",
        "payment_method_configuration_details": None,
        "payment_method_options": None,
        "payment_method_types": [session.method],
        "payment_status": session.payment_status,
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "presentment_details": None,
        "recovered_from": None,
        "setup_intent": session.setup_intent,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": session.status,
        "submit_type": None,
        "subscription": session.subscription,
        "success_url": "https://shop.example.com/thanks",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"https://checkout.stripe.com/c/pay/{session.id}" if is_open else None,
    }
