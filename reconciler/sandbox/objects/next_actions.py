"""The JSON of ``next_action`` for each of its types, as the SDK's annotations of API version endive name the fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from reconciler.sandbox.objects.records import IntentRecord, NextActionRecord

Json = dict[str, Any]
Body = Callable[[IntentRecord, NextActionRecord], Json]

BANK_TRANSFER: Final = "display_bank_transfer_instructions"
DAY: Final = 86_400
_IMAGES: Final = {
    "image_url_png": "https://qr.stripe.com/test.png",
    "image_url_svg": "https://qr.stripe.com/test.svg",
}
_INSTRUCTIONS: Final = "https://payments.stripe.com/instructions/test"
_NUMBER: Final = "59000000183860812022040200205005"
_TRANSFERS: Final = {
    "eur": "eu_bank_transfer",
    "gbp": "gb_bank_transfer",
    "jpy": "jp_bank_transfer",
    "mxn": "mx_bank_transfer",
}
_ADDRESS: Final = {
    "city": "San Francisco",
    "country": "US",
    "line1": "354 Oyster Point Blvd",
    "line2": None,
    "postal_code": "94080",
    "state": "CA",
}


def next_action_json(intent: IntentRecord, action: NextActionRecord) -> Json:
    """What the customer has to do, with the details under the name of its type. A type of a test's own has none."""
    body = BODIES.get(action.type, _fixed())
    return {action.type: body(intent, action), "type": action.type}


def _expiry(intent: IntentRecord, action: NextActionRecord) -> int:
    """When a code expires that always has an expiry."""
    return action.expires_at or intent.created + DAY


def _redirect(intent: IntentRecord, _: NextActionRecord) -> Json:
    mode = "live" if intent.livemode else "test"
    return {
        "return_url": "https://shop.example.com/return",
        "url": f"https://hooks.stripe.com/redirect/authenticate/src_{mode}?client_secret={intent.client_secret}",
    }


def _three_d_secure(_: IntentRecord, __: NextActionRecord) -> Json:
    return {
        "type": "three_d_secure_redirect",
        "source": "src_1",
        "stripe_js": "https://hooks.stripe.com/3ds",
    }


def _voucher(expiry: str, **fields: Any) -> Body:
    def body(intent: IntentRecord, action: NextActionRecord) -> Json:
        url = f"https://payments.stripe.com/voucher/{intent.id[3:]}"
        return {expiry: action.expires_at, "hosted_voucher_url": url, **fields}

    return body


def _konbini(intent: IntentRecord, action: NextActionRecord) -> Json:
    store = {"confirmation_number": "01234567890", "payment_code": "123456"}
    return {
        "expires_at": _expiry(intent, action),
        "hosted_voucher_url": f"https://payments.stripe.com/konbini/voucher/{intent.id[3:]}",
        "stores": dict.fromkeys(("familymart", "lawson", "ministop", "seicomart"), store),
    }


def _code(*, expires: bool = False, has_data: bool = True, **fields: Any) -> Body:
    """A QR code by itself."""

    def body(_: IntentRecord, action: NextActionRecord) -> Json:
        expiry = {"expires_at": action.expires_at} if expires else {}
        data = {"data": "00020101021226790014"} if has_data else {}
        return {**_IMAGES, **data, **expiry, **fields}

    return body


def _app_or_code(*, has_app: bool = True, has_data: bool = False) -> Body:
    """A QR code inside of another object, beside a link to an app."""

    def body(intent: IntentRecord, action: NextActionRecord) -> Json:
        code = {**_IMAGES, "expires_at": _expiry(intent, action)}
        if has_data:
            code["data"] = "D123456789"
        shape: Json = {"hosted_instructions_url": _INSTRUCTIONS, "qr_code": code}
        if has_app:
            shape["mobile_auth_url"] = "https://pay.example.com/authorize"
        return shape

    return body


def _bank_transfer(intent: IntentRecord, action: NextActionRecord) -> Json:
    account = {
        "account_holder_address": _ADDRESS,
        "account_holder_name": "Sandbox shop",
        "account_number": "11119987600453127",
        "account_type": "checking",
        "bank_address": _ADDRESS,
        "bank_name": "STRIPE TEST BANK",
        "routing_number": "999999999",
    }
    address = {"aba": account, "supported_networks": ["ach", "domestic_wire_us"], "type": "aba"}
    return {
        "amount_remaining": action.amount_remaining,
        "currency": intent.currency,
        "financial_addresses": [address],
        "hosted_instructions_url": _INSTRUCTIONS,
        "reference": "VQEFAT3TKLBB",
        "type": _TRANSFERS.get(intent.currency, "us_bank_transfer"),
    }


def _fixed(**fields: Any) -> Body:
    return lambda _, __: fields


def _microdeposits(intent: IntentRecord, _: NextActionRecord) -> Json:
    return {
        "arrival_date": intent.created + 2 * DAY,
        "hosted_verification_url": "https://payments.stripe.com/microdeposit/test",
        "microdeposit_type": "amounts",
    }


def _card_notification(intent: IntentRecord, _: NextActionRecord) -> Json:
    return {"charge_attempt_at": intent.created + DAY, "customer_approval_required": False}


BODIES: Final[dict[str, Body]] = {
    "alipay_handle_redirect": _fixed(
        native_data=None, native_url=None, return_url="https://shop.example.com/return", url="https://hooks.stripe.com/ali"
    ),
    "blik_authorize": _fixed(),
    "boleto_display_details": _voucher("expires_at", number=_NUMBER, pdf="https://payments.stripe.com/boleto.pdf"),
    "card_await_notification": _card_notification,
    "cashapp_handle_redirect_or_display_qr_code": _app_or_code(),
    BANK_TRANSFER: _bank_transfer,
    "klarna_display_qr_code": _code(expires=True),
    "konbini_display_details": _konbini,
    "multibanco_display_details": _voucher("expires_at", entity="12345", reference="999999999"),
    # only OXXO says expires_after; the other vouchers say expires_at
    "oxxo_display_details": _voucher("expires_after", number=_NUMBER),
    "paynow_display_qr_code": _code(hosted_instructions_url=_INSTRUCTIONS),
    "pix_display_qr_code": _code(expires=True, hosted_instructions_url=_INSTRUCTIONS),
    "promptpay_display_qr_code": _code(hosted_instructions_url=_INSTRUCTIONS),
    "redirect_to_url": _redirect,
    "swish_handle_redirect_or_display_qr_code": _app_or_code(has_data=True),
    "upi_handle_redirect_or_display_qr_code": _app_or_code(has_app=False),
    "use_stripe_sdk": _three_d_secure,
    "verify_with_microdeposits": _microdeposits,
    "wechat_pay_display_qr_code": _code(hosted_instructions_url=_INSTRUCTIONS, image_data_url="data:image/png;base64,AA"),
    "wechat_pay_redirect_to_android_app": _fixed(
        app_id="wx1", nonce_str="n", package="Sign=WXPay", partner_id="1", prepay_id="wx2", sign="s", timestamp="1772366400"
    ),
    "wechat_pay_redirect_to_ios_app": _fixed(native_url="weixin://app/wx1/pay"),
}  # fmt: skip
"""How the details of each type are made."""
