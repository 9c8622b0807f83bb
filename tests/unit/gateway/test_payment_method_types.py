"""Every type of payment method that the official SDK knows has a time limit on purpose."""

from __future__ import annotations

import typing

from stripe import PaymentMethod

from reconciler.domain.polling.poll_intervals import PROCESSING
from reconciler.domain.rules.payment_method_deadlines import AUTHORIZATIONS, PROCESSING_LIMITS

NEVER_LONG_IN_PROCESSING = {
    # wallets, redirects and QR codes: the customer waits for the answer, and Stripe documents no time for it
    *("alipay", "amazon_pay", "bancontact", "bizum", "blik", "cashapp", "crypto", "eps", "fpx", "grabpay"),
    *("ideal", "kakao_pay", "kr_card", "link", "mb_way", "mobilepay", "naver_pay", "p24", "pay_by_bank", "payco"),
    *("paynow", "paypal", "paypay", "pix", "promptpay", "revolut_pay", "samsung_pay", "satispay", "swish"),
    *("twint", "upi", "wechat_pay"),
    # the lender pays: Stripe documents no time for it
    *("affirm", "afterpay_clearpay", "alma", "billie", "klarna", "scalapay", "sequra", "sunbit", "zip"),
}  # fmt: skip
PAID_LATER = {
    # vouchers and bank transfers wait for the customer in requires_action, not in processing
    *("boleto", "customer_balance", "konbini", "multibanco", "oxxo"),
}
ENDED = {"giropay", "sofort"}
"""Stripe takes no new payments with them."""
NOT_STRIPES = {"custom"}
"""A payment that another processor makes."""
DEFAULT = NEVER_LONG_IN_PROCESSING | PAID_LATER | ENDED | NOT_STRIPES
"""The types of the documented default: 15 business days."""


def sdk_types() -> set[str]:
    """The types of payment method in the SDK's own annotation."""
    annotation = PaymentMethod.__annotations__["type"]
    (known,) = (one for one in typing.get_args(annotation) if one is not str)
    return set(typing.get_args(known))


def test_every_type_of_the_sdk_has_an_entry_or_the_default() -> None:
    """A type that the SDK adds fails here, so that a person looks up how long it takes."""
    assert len(sdk_types()) > 50
    assert set(PROCESSING_LIMITS) | DEFAULT == sdk_types()
    assert not set(PROCESSING_LIMITS) & DEFAULT


def test_no_entry_is_of_a_type_that_the_sdk_does_not_know() -> None:
    """A misspelt type would take the default."""
    assert set(AUTHORIZATIONS) <= sdk_types()
    assert set(PROCESSING) <= set(PROCESSING_LIMITS)


def test_cards_in_person_are_treated_as_cards() -> None:
    """They settle like cards."""
    for method in ("card_present", "interac_present"):
        assert PROCESSING_LIMITS[method] == PROCESSING_LIMITS["card"]
        assert PROCESSING[method] == PROCESSING["card"]
    assert AUTHORIZATIONS["interac_present"] == AUTHORIZATIONS["card_present"]
