"""What happened to the money: the vocabulary that both sides are translated into."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The state of a payment in the one language that the merchant's table and Stripe share."""

    INCOMPLETE = "incomplete"
    """Nobody has paid yet and nothing has failed: the customer may still act."""
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
    """Local only: the merchant has given the money back. At Stripe this stands on the charge."""
    DISPUTED = "disputed"
    """Local only: the customer's bank has taken the money back. At Stripe this stands on the charge."""
    UNKNOWN = "unknown"
    """A status that we do not know: kept, flagged and never acted upon."""

    @property
    def is_open(self) -> bool:
        """Something may still happen to it by itself."""
        return self in OPEN

    @property
    def is_settled(self) -> bool:
        """The merchant has acted upon it: such a row is never changed automatically."""
        return self in SETTLED


OPEN: Final = frozenset(
    {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING, Outcome.AUTHORIZED}
)
SETTLED: Final = frozenset(
    {Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.REFUNDED, Outcome.DISPUTED}
)
AT_STRIPE: Final = (
    Outcome.INCOMPLETE,
    Outcome.FAILED,
    Outcome.PROCESSING,
    Outcome.AUTHORIZED,
    Outcome.SUCCEEDED,
    Outcome.CANCELED,
)
"""The outcomes that a PaymentIntent can have, in the order of its life."""

_OF_STATUS: Final = {
    "requires_payment_method": Outcome.INCOMPLETE,
    "requires_confirmation": Outcome.INCOMPLETE,
    "requires_action": Outcome.INCOMPLETE,
    "processing": Outcome.PROCESSING,
    "requires_capture": Outcome.AUTHORIZED,
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
}


def outcome_of_status(status: str, *, last_attempt_failed: bool) -> Outcome:
    """The outcome that a PaymentIntent's status means.

    ``last_attempt_failed`` is whether ``last_payment_error`` is set: Stripe puts a PaymentIntent back to
    ``requires_payment_method`` after a failed attempt, and only that field tells it from a new one. Stripe may add
    statuses without a new API version, so an unknown string is UNKNOWN and no error.
    """
    if status == "requires_payment_method" and last_attempt_failed:
        return Outcome.FAILED
    return _OF_STATUS.get(status, Outcome.UNKNOWN)


MISSED_WEBHOOK: Final = {
    Outcome.INCOMPLETE: ("payment_intent.created", "payment_intent.requires_action"),
    Outcome.FAILED: ("payment_intent.payment_failed",),
    Outcome.PROCESSING: ("payment_intent.processing",),
    Outcome.AUTHORIZED: ("payment_intent.amount_capturable_updated",),
    Outcome.SUCCEEDED: ("payment_intent.succeeded",),
    Outcome.CANCELED: ("payment_intent.canceled",),
}
"""The events that would have told the merchant of each outcome."""

NEXT_STEP: Final = {
    Outcome.INCOMPLETE: "Wait for the customer; show the next action and until when it can be done.",
    Outcome.FAILED: "Tell the customer, offer another payment method and keep the same PaymentIntent.",
    Outcome.PROCESSING: "Wait for as long as the payment method takes; do not ship yet.",
    Outcome.AUTHORIZED: "Capture the money before the authorization ends.",
    Outcome.SUCCEEDED: "Fulfil the order.",
    Outcome.CANCELED: "Release the order.",
    Outcome.REFUNDED: "Nothing: the money was given back.",
    Outcome.DISPUTED: "Answer the dispute in Stripe's dashboard before its deadline.",
    Outcome.UNKNOWN: "Map this status in the configuration, or upgrade if Stripe has added it.",
}
"""What the business does when a payment has this outcome."""
