"""What happened to the money: the words into which both sides are translated."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The state of a payment, in words that fit the merchant's table and Stripe alike."""

    INCOMPLETE = "incomplete"
    """The customer has not paid, and no attempt has failed: the customer may still act."""
    FAILED = "failed"
    """The last attempt failed; the same PaymentIntent can be tried again."""
    PROCESSING = "processing"
    """The customer has done their part; the bank has not answered."""
    AUTHORIZED = "authorized"
    """The money is held and waits to be captured."""
    SUCCEEDED = "succeeded"
    """The money was taken. Stripe's PaymentIntent does not leave this state."""
    CANCELED = "canceled"
    """The PaymentIntent can no longer be paid."""
    REFUNDED = "refunded"
    """Only in the merchant's table: the money was given back. Stripe keeps that fact on the charge."""
    DISPUTED = "disputed"
    """Only in the merchant's table: the customer's bank took the money back. Stripe keeps that fact on the charge."""
    UNKNOWN = "unknown"
    """Reconciler does not know the status: it reports the payment and never changes it."""

    @property
    def is_open(self) -> bool:
        """The payment may still change without an action of the merchant."""
        return self in OPEN


OPEN: Final = frozenset(
    {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING, Outcome.AUTHORIZED}
)
SAYS_PAID: Final = frozenset({Outcome.SUCCEEDED, Outcome.REFUNDED, Outcome.DISPUTED})
"""The outcomes of a row that say that the money was taken, whether or not it went back later."""
PAID_OR_HELD: Final = frozenset({Outcome.SUCCEEDED, Outcome.AUTHORIZED})
"""The outcomes at Stripe of an intent that took or holds money."""
NEGATIVE: Final = frozenset({Outcome.FAILED, Outcome.CANCELED})
"""The outcomes without money that end an attempt. A merchant who reads one may release the order."""
NOT_YET_PAID: Final = OPEN | NEGATIVE
"""The outcomes of a row whose order may have been paid in another way."""
FINAL_AT_STRIPE: Final = frozenset({Outcome.SUCCEEDED, Outcome.CANCELED})
"""The outcomes at Stripe that no event changes any more."""
AT_STRIPE: Final = (
    Outcome.INCOMPLETE,
    Outcome.FAILED,
    Outcome.PROCESSING,
    Outcome.AUTHORIZED,
    Outcome.SUCCEEDED,
    Outcome.CANCELED,
)
"""The outcomes that a PaymentIntent can have, in the order in which it reaches them."""

MISSED_WEBHOOK: Final = {
    Outcome.INCOMPLETE: ("payment_intent.created", "payment_intent.requires_action"),
    Outcome.FAILED: ("payment_intent.payment_failed",),
    Outcome.PROCESSING: ("payment_intent.processing",),
    Outcome.AUTHORIZED: ("payment_intent.amount_capturable_updated",),
    Outcome.SUCCEEDED: ("payment_intent.succeeded",),
    Outcome.CANCELED: ("payment_intent.canceled",),
}
"""The events by which Stripe tells the merchant of each outcome."""

NEXT_STEP: Final = {
    Outcome.INCOMPLETE: "Show the customer the next action and its deadline, and wait.",
    Outcome.FAILED: "Tell the customer, and offer another payment method for the same PaymentIntent.",
    Outcome.PROCESSING: "Do not ship yet: wait for as long as the payment method takes.",
    Outcome.AUTHORIZED: "Capture the money before the authorization ends.",
    Outcome.SUCCEEDED: "Fulfil the order.",
    Outcome.CANCELED: "Do not ship: cancel the order, and free its goods.",
    Outcome.REFUNDED: "Nothing: the money was given back.",
    Outcome.DISPUTED: "Answer the dispute in Stripe's dashboard before its deadline.",
    Outcome.UNKNOWN: "Map this status in the configuration. If Stripe has added it, upgrade Reconciler.",
}
"""What the merchant does next if a payment has this outcome."""
