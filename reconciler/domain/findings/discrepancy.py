"""A finding: its kinds, its states, and what makes two findings the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.money import Money


class Kind(StrEnum):
    """What disagrees."""

    MISSED_OUTCOME = "missed_outcome"
    CONTRADICTED = "contradicted"
    PAID_AFTER_CANCEL = "paid_after_cancel"
    REGRESSED = "regressed"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    PARTIALLY_CAPTURED = "partially_captured"
    REFUND_DRIFT = "refund_drift"
    DISPUTE_DRIFT = "dispute_drift"
    AMBIGUOUS_ROW = "ambiguous_row"
    MISSING_LOCALLY = "missing_locally"
    MISSING_AT_STRIPE = "missing_at_stripe"
    UNKNOWN_STATUS = "unknown_status"
    DUPLICATE_PAYMENT = "duplicate_payment"
    CAPTURE_EXPIRING = "capture_expiring"
    OVERDUE = "overdue"
    EXHAUSTED = "exhausted"

    @property
    def is_side(self) -> bool:
        """It may stand beside a finding about the pair; of the others, a pair has exactly one."""
        return self in _SIDE


_SIDE: Final = frozenset(
    {Kind.DUPLICATE_PAYMENT, Kind.CAPTURE_EXPIRING, Kind.OVERDUE, Kind.EXHAUSTED}
)


class Severity(StrEnum):
    """How soon a person should look. Critical: goods may have gone without money, or money come without an order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class State(StrEnum):
    """Where a discrepancy is in its life."""

    OPEN = "open"
    """Seen and waiting for a person, or for a sweep that may write."""
    CORRECTED = "corrected"
    """The row was brought to Stripe's outcome."""
    CLOSED = "closed"
    """A later examination of the same pair found that it is gone."""
    RESOLVED = "resolved"
    """A person has dealt with it; it stays so while both sides' values are the same."""
    IGNORED = "ignored"
    """A person has decided that it does not matter; likewise."""

    @property
    def is_by_person(self) -> bool:
        return self in {State.RESOLVED, State.IGNORED}


class Reason(StrEnum):
    """Why a finding was not corrected, or what sort of its kind it is."""

    NO_LOCAL_VALUE = "no_local_value"
    """The outcome has no value in [payments.write]."""
    REPORT_MODE = "report_mode"
    """The configured mode writes no row of the merchant's."""
    NOT_APPLIED = "not_applied"
    """A person asked to record, not to apply."""
    HOURLY_LIMIT = "hourly_limit"
    """The service has corrected as many rows in this hour as it may."""
    WRONG_MODE = "wrong_mode"
    """Stripe says that the id exists in the other mode."""
    NOT_AN_ID = "not_an_id"
    """What the row holds cannot be the id of a PaymentIntent."""
    ORDER_PAID = "order_paid"
    """Another row or intent of the order was paid, holds money, or may have been paid."""
    OTHER_INTENT_OPEN = "other_intent_open"
    """Another intent of the order can still be paid, and has been open for more than a day."""
    ORDER_NOT_KNOWN = "order_not_known"
    """The intents of the order could not be found out, so nothing negative is written."""
    MAYBE_PAID = "maybe_paid"
    """Orders cannot be found, and a paid intent without a row has the row's amount and currency."""
    ROW_WITHOUT_INTENT = "row_without_intent"
    """A settled row without an intent stands beside a paid intent of its order."""
    ROW_EXCLUDED = "row_excluded"
    """The row that holds the intent is outside the mapping."""
    RELEASE_OR_REFUND = "release_or_refund"
    """Stripe does not show whether money was refunded or an authorized rest was released."""
    DISPUTE_NOT_LISTED = "dispute_not_listed"
    """The charge says that it is disputed, and Stripe lists no dispute."""
    REFUSED_BY_TABLE = "refused_by_table"
    """A constraint, a trigger or a missing privilege refused the correction."""
    NOT_KEPT_BY_TABLE = "not_kept_by_table"
    """The table answered yes and did not keep what was written."""
    REVERTED = "reverted"
    """A person took this correction back."""
    KEPT = "kept"
    """The configuration says that rows of this outcome stay as they are."""
    INTENT_NOT_WRITABLE = "intent_not_writable"
    """The intent's column is an expression, so no intent can be written into it."""


class Cause(StrEnum):
    """Why the webhook was lost, where the events known tell."""

    UNDELIVERED = "undelivered"
    """Stripe could not deliver the event to every endpoint."""
    NOT_HANDLED = "not_handled"
    """Every endpoint acknowledged the event, and the row did not move."""


class Closing(StrEnum):
    """Why a discrepancy was closed."""

    AGREEMENT = "agreement"
    SUPERSEDED = "superseded"
    CONDITION_GONE = "condition_gone"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that disagrees, as an examination saw it.

    ``keys`` are the rows concerned. ``local`` and ``stripe`` are both sides' values, of which the fingerprint is made,
    so they hold no times; ``evidence`` is what a person wants to read beside them.
    """

    kind: Kind
    severity: Severity
    stake: Money
    payment_intent: str | None
    keys: tuple[str, ...]
    local: Mapping[str, object]
    stripe: Mapping[str, object]
    reason: Reason | None = None
    cause: Cause | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The part of the identity that names the pair."""
        return self.payment_intent or f"row:{','.join(self.keys)}"

    @property
    def fingerprint(self) -> str:
        """Changes when either side's values do."""
        form = canonical_json({"kind": self.kind.value, "local": self.local, "stripe": self.stripe})
        return hashlib.sha256(form.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredDiscrepancy:
    """What is stored of a discrepancy and decides its next state."""

    id: int
    subject: str
    kind: Kind
    state: State
    fingerprint: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A stored discrepancy, as it is listed and exported."""

    id: int
    account: str
    kind: Kind
    severity: Severity
    state: State
    payment_intent: str | None
    keys: tuple[str, ...]
    stake: Money
    reason: str | None
    cause: str | None
    closing: str | None
    note: str | None
    resolved_by: str | None
    first_seen: datetime
    last_seen: datetime
    fingerprint: str
    local: Mapping[str, object]
    stripe: Mapping[str, object]
    evidence: Mapping[str, object]
