"""Payment methods: what an attempt with each leads to, its details on a charge, and Stripe's test tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

DAY = 86_400


class Flow(Enum):
    """The steps of a successful attempt with a payment method."""

    CARD = "card"  # succeeds immediately, or after authentication
    DEBIT = "debit"  # processing for days
    VOUCHER = "voucher"  # requires_action until the customer has paid the voucher
    REDIRECT = "redirect"  # requires_action until the customer returns from another site
    TRANSFER = "transfer"  # requires_action until bank transfers add up to the amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """One type of payment method.

    ``details`` are those of a charge; ``stored`` names those of them that the PaymentMethod itself has too. ``payable_for`` is how long a voucher can be paid and ``authorized_for`` how long an authorization lasts, in seconds.
    """

    type: str
    flow: Flow
    action: str
    details: dict[str, Any]
    stored: tuple[str, ...] = ()
    payable_for: int | None = None
    authorized_for: int | None = None


_BANK = {"last4": "6789"}

CARD_DETAILS: dict[str, Any] = {
    "amount_authorized": None,
    "authorization_code": "123456",
    "brand": "visa",
    "checks": {
        "address_line1_check": None,
        "address_postal_code_check": "pass",  # Stripe's value; banned-words: allowed
        "cvc_check": "pass",  # Stripe's value; banned-words: allowed
    },
    "country": "US",
    "exp_month": 8,
    "exp_year": 2030,
    "extended_authorization": {"status": "disabled"},
    "fingerprint": "AOB934RVNwzk6xtn",
    "funding": "credit",
    "incremental_authorization": {"status": "unavailable"},
    "installments": None,
    "last4": "4242",
    "mandate": None,
    "multicapture": {"status": "unavailable"},
    "network": "visa",
    "network_token": {"used": False},
    "network_transaction_id": "753102419868421",
    "overcapture": {"maximum_amount_capturable": None, "status": "unavailable"},
    "regulated_status": "unregulated",
    "three_d_secure": None,
    "transaction_link_id": None,
    "wallet": None,
}


_CARD_STORED = (
    "brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "regulated_status", "wallet"
)  # fmt: skip
_PRESENT_DETAILS: dict[str, Any] = {
    "amount_authorized": None,
    "brand": "visa",
    "country": "US",
    "exp_month": 8,
    "exp_year": 2030,
    "fingerprint": "AOB934RVNwzk6xtn",
    "funding": "credit",
    "incremental_authorization_supported": False,
    "last4": "4242",
    "overcapture_supported": False,
    "read_method": "contactless_emv",
}


def _debit(kind: str, **extra: Any) -> PaymentMethod:
    details = {**_BANK, **extra}
    only_of_charges = {"expected_debit_date", "mandate", "payment_reference"}
    return PaymentMethod(
        type=kind,
        flow=Flow.DEBIT,
        action="verify_with_microdeposits",
        details=details,
        stored=tuple(name for name in details if name not in only_of_charges),
    )


def _voucher(
    kind: str, action: str, payable_for: int, stored: tuple[str, ...] = (), **extra: Any
) -> PaymentMethod:
    return PaymentMethod(
        type=kind,
        flow=Flow.VOUCHER,
        action=action,
        details=extra,
        stored=stored,
        payable_for=payable_for,
    )


def _redirect(
    kind: str,
    action: str = "redirect_to_url",
    *,
    stored: tuple[str, ...] = (),
    authorized_for: int | None = None,
    **extra: Any,
) -> PaymentMethod:
    return PaymentMethod(
        type=kind,
        flow=Flow.REDIRECT,
        action=action,
        details=extra,
        stored=stored,
        authorized_for=authorized_for,
    )


METHODS: dict[str, PaymentMethod] = {
    method.type: method
    for method in (
        PaymentMethod(type="card", flow=Flow.CARD, action="use_stripe_sdk", details=CARD_DETAILS, stored=_CARD_STORED,
                      authorized_for=7 * DAY),
        PaymentMethod(type="card_present", flow=Flow.CARD, action="use_stripe_sdk", details=_PRESENT_DETAILS,
                      stored=("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "read_method"),
                      authorized_for=2 * DAY),
        _debit("us_bank_account", bank_name="STRIPE TEST BANK", fingerprint="FFDMA0xfhBjWSZLu", mandate=None,
               account_holder_type="individual", account_type="checking", expected_debit_date=None,
               routing_number="110000000", payment_reference=None),
        _debit("sepa_debit", bank_code="37040044", branch_code="", country="DE", expected_debit_date=None,
               fingerprint="FFDMA0xfhBjWSZLu", mandate=None),
        _debit("bacs_debit", expected_debit_date=None, sort_code="108800", fingerprint="FFDMA0xfhBjWSZLu", mandate=None),
        _debit("au_becs_debit", bsb_number="000000", expected_debit_date=None, fingerprint="FFDMA0xfhBjWSZLu", mandate=None),
        _debit("nz_bank_account", account_holder_name="Jenny Rosen", bank_code="11", bank_name="STRIPE TEST BANK",
               branch_code="0000", expected_debit_date=None, suffix="010"),
        _debit("acss_debit", bank_name="STRIPE TEST BANK", institution_number="000", transit_number="11000",
               expected_debit_date=None, fingerprint="FFDMA0xfhBjWSZLu", mandate=None),
        _voucher("oxxo", "oxxo_display_details", 5 * DAY, number="59000000183860812022040200205005"),
        _voucher("konbini", "konbini_display_details", 3 * DAY, store={"chain": "lawson"}),
        _voucher("boleto", "boleto_display_details", 3 * DAY, stored=("tax_id",), tax_id="00.000.000/0001-91"),
        _voucher("multibanco", "multibanco_display_details", 7 * DAY, entity="12345", reference="999999999"),
        _voucher("pix", "pix_display_qr_code", 4 * 3600, bank_transaction_id="E0000000000000000000"),
        _redirect("ideal", stored=("bank", "bic"), bank="abn_amro", bic="ABNANL2A", verified_name="Jenny Rosen"),
        _redirect("klarna", authorized_for=28 * DAY, payment_method_category="pay_later", preferred_locale="en-US"),
        _redirect("affirm", authorized_for=30 * DAY, transaction_id=None),
        _redirect("afterpay_clearpay", authorized_for=13 * DAY, order_id="aft_1", reference=None),
        _redirect("paypal", stored=("country", "payer_email", "payer_id"), authorized_for=10 * DAY, country="US",
                  payer_email="jenny.rosen@example.com", payer_id="PAYER1", payer_name="Jenny Rosen", transaction_id=None),
        _redirect("cashapp", "cashapp_handle_redirect_or_display_qr_code", stored=("buyer_id", "cashtag"),
                  authorized_for=7 * DAY, buyer_id="test_buyer_id", cashtag="$test_cashtag"),
        _redirect("alipay", "alipay_handle_redirect", buyer_id=None, transaction_id=None),
        _redirect("blik", "blik_authorize", stored=("buyer_id",), buyer_id=None),
        _redirect("paynow", "paynow_display_qr_code", reference=None),
        _redirect("promptpay", "promptpay_display_qr_code", reference=None),
        _redirect("swish", "swish_handle_redirect_or_display_qr_code", payment_reference=None, verified_phone_last4="1234"),
        _redirect("upi", "upi_handle_redirect_or_display_qr_code", stored=("vpa",), vpa="jenny@upi"),
        _redirect("wechat_pay", "wechat_pay_display_qr_code", transaction_id=None),
        PaymentMethod(type="customer_balance", flow=Flow.TRANSFER, action="display_bank_transfer_instructions", details={}),
    )
}  # fmt: skip


class TokenReaction(Enum):
    """The result of confirming with a test token."""

    SUCCEED = "succeed"
    FAIL = "fail"
    REQUIRE_ACTION = "require_action"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Token:
    """A test payment method of Stripe's (``pm_card_visa``), and the result of confirming with it."""

    method: str
    reaction: TokenReaction
    code: str = "card_declined"
    decline_code: str | None = None


_DECLINES = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedFraudulent": ("card_declined", "fraudulent"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
}

_CARDS = (
    "visa",
    "visa_debit",
    "mastercard",
    "amex",
    "discover",
    "jcb",
    "unionpay",
    "us",
    "threeDSecureOptional",
)

TOKENS: dict[str, Token] = {
    **{f"pm_card_{brand}": Token("card", TokenReaction.SUCCEED) for brand in _CARDS},
    **{
        name: Token("card", TokenReaction.FAIL, code, decline)
        for name, (code, decline) in _DECLINES.items()
    },
    "pm_card_authenticationRequired": Token("card", TokenReaction.REQUIRE_ACTION),
    "pm_card_threeDSecure2Required": Token("card", TokenReaction.REQUIRE_ACTION),
    "pm_usBankAccount": Token("us_bank_account", TokenReaction.PROCESS),
    "pm_usBankAccount_success": Token("us_bank_account", TokenReaction.PROCESS),
    "pm_sepaDebit": Token("sepa_debit", TokenReaction.PROCESS),
    "pm_bacsDebit": Token("bacs_debit", TokenReaction.PROCESS),
}


def reaction_of(method: str) -> TokenReaction:
    """The result of an attempt with this type of payment method if nothing fails."""
    flow = METHODS[method].flow
    if flow is Flow.CARD:
        return TokenReaction.SUCCEED
    return TokenReaction.PROCESS if flow is Flow.DEBIT else TokenReaction.REQUIRE_ACTION


def token_of(name: str) -> Token | None:
    """The test token of this name, or one for a type written as a token (``pm_oxxo``); None for other names."""
    if name in TOKENS:
        return TOKENS[name]
    method = name.removeprefix("pm_")
    return Token(method, reaction_of(method)) if method in METHODS else None


DECLINE_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "payment_intent_authentication_failure": "The provided payment method has failed authentication.",
    "payment_intent_payment_attempt_expired": "The payment attempt has expired without being paid.",
    "payment_method_provider_decline": "The payment was declined by the provider.",
    "debit_not_authorized": "The customer has notified their bank that this payment was unauthorized.",
}


def decline_message(code: str, decline_code: str | None) -> str:
    """The sentence that Stripe shows for a failed attempt."""
    return DECLINE_MESSAGES.get(decline_code or code) or DECLINE_MESSAGES.get(
        code, "Your card was declined."
    )
