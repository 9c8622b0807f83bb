"""Stripe's side: a PaymentIntent as it was seen at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.domain.outcome import Outcome, outcome_of_status


@dataclass(frozen=True, slots=True)
class Charge:
    """The last attempt to take the money (``latest_charge``). Amounts are in the intent's currency."""

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
    def is_partly_refunded(self) -> bool:
        """Some money went back to the customer, all of it or a part."""
        return self.refunded or self.amount_refunded > 0


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the customer is asked to do, and until when that is possible where Stripe says so."""

    type: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent: its facts that a decision needs, and none of the customer's data.

    ``seen_at`` is by Stripe's clock, not ours: the earliest moment that the answer may show (its Date header less the time
    that it took). ``metadata`` holds the configured keys alone. ``failure_code`` is the code of ``last_payment_error``; an
    error without a code has the empty string.
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
    outcome: Outcome = field(init=False)
    """What happened to the money, in the shared vocabulary."""

    def __post_init__(self) -> None:
        outcome = outcome_of_status(self.status, last_attempt_failed=self.failure_code is not None)
        object.__setattr__(self, "outcome", outcome)

    @property
    def changed_at(self) -> datetime:
        """The latest change that the intent itself tells of. Events may know of a later one."""
        times = [self.created]
        if self.canceled_at is not None:
            times.append(self.canceled_at)
        if self.charge is not None:
            times.append(self.charge.created)
        return max(times)

    @property
    def is_paid(self) -> bool:
        """The money was taken and has not been given back whole."""
        given_back = self.charge is not None and self.charge.refunded
        return self.outcome is Outcome.SUCCEEDED and not given_back

    @property
    def settled_amount(self) -> int:
        """What was collected, or what was asked where nothing was."""
        return self.amount_received or self.amount


@dataclass(frozen=True, slots=True)
class MissingIntent:
    """Stripe answered 404 for this id. That is no verdict about the money: the key may be of another account.

    ``other_mode`` is whether Stripe's message says that the object exists in the other mode (live or test);
    ``impossible`` is whether the id cannot be one of Stripe's at all, so that nothing was asked.
    """

    id: str
    seen_at: datetime
    request_id: str | None = None
    other_mode: bool = False
    impossible: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A PaymentIntent as an event carries it: how it was then, never what is true now."""

    outcome: Outcome
    amount_received: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A Stripe event that names an intent. It says that something happened, never what is true now.

    ``delivered`` is whether every endpoint has acknowledged it (no ``pending_webhooks``). ``snapshot`` is None where
    the event is about a charge, a refund or a dispute, or where its content could not be read.
    """

    id: str
    type: str
    created: datetime
    payment_intent: str | None
    delivered: bool = False
    snapshot: Snapshot | None = None
