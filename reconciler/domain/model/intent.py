"""Stripe's side: a PaymentIntent, as it was read at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reconciler.domain.outcome import Outcome

OUTCOME_OF_STATUS: Final = {
    # INCOMPLETE unless last_payment_error is set, see outcome_of_status
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

    ``last_attempt_failed`` is True if ``last_payment_error`` is set. After a failed attempt Stripe puts a PaymentIntent
    back to ``requires_payment_method``; only that field tells it from a new one. Stripe may add statuses without a new
    API version, so an unknown string is UNKNOWN and raises nothing.
    """
    if status == "requires_payment_method" and last_attempt_failed:
        return Outcome.FAILED
    return OUTCOME_OF_STATUS.get(status, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Charge:
    """The latest attempt to take the money (``latest_charge``). Amounts are in minor units of the intent's currency."""

    id: str
    status: str
    created: datetime
    amount: int
    amount_captured: int
    amount_refunded: int
    refunded: bool
    disputed: bool
    failure_code: str | None = None
    method: str | None = None
    capture_before: datetime | None = None

    @property
    def has_refund(self) -> bool:
        """Whether money went back to the customer: all of it or a part."""
        return self.refunded or self.amount_refunded > 0


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the customer has to do, and until when that is possible; None if Stripe names no time."""

    type: str
    expires_at: datetime | None = None
    amount_remaining: int | None = None
    """What a bank transfer still lacks, in minor units; None if the action names no amount."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent: the facts that a decision needs, and none of the customer's data.

    ``seen_at`` is the earliest moment that the answer may show, by Stripe's clock: the answer's Date header less the
    time that the request took. ``metadata`` holds only the configured keys. ``failure_code`` is the code of
    ``last_payment_error``, the empty string if the error has no code, and None if there is no error.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    amount_capturable: int
    currency: str
    created: datetime
    livemode: bool
    seen_at: datetime
    request_id: str | None = None
    canceled_at: datetime | None = None
    failure_code: str | None = None
    method: str | None = None
    next_action: NextAction | None = None
    charge: Charge | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    customer: str | None = None
    """The id of Stripe's customer: compared, never stored or shown."""
    description: str | None = field(default=None, repr=False)
    """The description, trimmed, if orders are linked by it: compared with orders, never stored or shown."""
    outcome: Outcome = field(init=False)
    """What the status means, in the words that both sides share."""
    changed_at: datetime = field(init=False)
    """The time of the latest change that the intent itself shows. An event may show a later one."""
    is_paid: bool = field(init=False)
    """Whether the money was taken and has not been given back in full."""

    def __post_init__(self) -> None:
        outcome = outcome_of_status(self.status, last_attempt_failed=self.failure_code is not None)
        # Stripe has no time of the last change, so the known times stand for it
        changed_at, given_back = self.created, False
        if self.canceled_at is not None:
            changed_at = max(changed_at, self.canceled_at)
        if self.charge is not None:
            changed_at = max(changed_at, self.charge.created)
            given_back = self.charge.refunded

        # the class is frozen, and these follow from the other fields
        object.__setattr__(self, "outcome", outcome)
        object.__setattr__(self, "changed_at", changed_at)
        object.__setattr__(self, "is_paid", outcome is Outcome.SUCCEEDED and not given_back)

    @property
    def settled_amount(self) -> int:
        """The amount that was received, or the amount that was asked for if nothing was received."""
        return self.amount_received or self.amount


@dataclass(frozen=True, slots=True)
class MissingIntent:
    """Stripe answered 404 for this id. That says nothing about the money: the key may belong to another account.

    ``other_mode`` is whether Stripe's message says that the object exists in the other mode (live or test).
    ``impossible`` is whether the id cannot be one of Stripe's, so that nothing was asked.
    """

    id: str
    seen_at: datetime
    request_id: str | None = None
    other_mode: bool = False
    impossible: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A PaymentIntent as an event carries it: its state at the time of the event, not its state now."""

    outcome: Outcome
    amount_received: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    amount_capturable: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A Stripe event that names an intent. It says that something happened, not what the state is now.

    ``delivered`` is whether every endpoint has acknowledged it (no ``pending_webhooks``). ``snapshot`` is None if the
    event is about a charge, a refund or a dispute, or if its content could not be parsed. ``failure_code`` is why the
    attempt failed that the event is about: the decline code, else the code of the error.
    """

    id: str
    type: str
    created: datetime
    payment_intent: str | None
    delivered: bool = False
    snapshot: Snapshot | None = None
    failure_code: str | None = None
