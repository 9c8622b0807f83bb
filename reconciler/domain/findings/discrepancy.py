"""A finding, which one examination sees, and a discrepancy, which is a finding as it is stored.

Account, subject and kind identify a discrepancy. Its fingerprint says whether both sides' values are still the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.findings.reverted_correction import Revert
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
    PAID_BY_OTHER_INTENT = "paid_by_other_intent"
    REFUND_MISSING = "refund_missing"
    MISSING_LOCALLY = "missing_locally"
    MISSING_AT_STRIPE = "missing_at_stripe"
    UNKNOWN_STATUS = "unknown_status"
    DUPLICATE_PAYMENT = "duplicate_payment"
    CAPTURE_EXPIRING = "capture_expiring"
    OVERDUE = "overdue"
    EXHAUSTED = "exhausted"
    PARTIALLY_FUNDED = "partially_funded"

    is_correctable: bool
    """Whether a sweep may end it by a write: it brings a row to Stripe's outcome."""
    is_side: bool
    """Whether it may stand beside another finding. Of the other kinds, a row and its intent have at most one."""

    def __init__(self, name: str) -> None:
        self.is_correctable = name in {"missed_outcome", "paid_by_other_intent"}
        self.is_side = name in {
            "duplicate_payment",
            "capture_expiring",
            "overdue",
            "exhausted",
            "partially_funded",
        }


class Severity(StrEnum):
    """How soon a person should act. Critical: goods may be sent without money, or money is taken without an order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class State(StrEnum):
    """The state of a discrepancy."""

    OPEN = "open"
    """It waits for a person, or for a sweep that may write."""
    CORRECTED = "corrected"
    """The row was given Stripe's outcome."""
    CLOSED = "closed"
    """A later examination of the same row and intent did not find it again."""
    RESOLVED = "resolved"
    """A person has dealt with it. It stays so while both sides' values are the same."""
    IGNORED = "ignored"
    """A person has decided that it does not matter. It stays so while both sides' values are the same."""

    @property
    def is_by_person(self) -> bool:
        """Whether a person settled it."""
        return self in {State.RESOLVED, State.IGNORED}


class Reason(StrEnum):
    """Why a finding was not corrected, or which variant of its kind it is."""

    NO_LOCAL_VALUE = "no_local_value"
    """The configuration has no value for the outcome in [payments.write]."""
    REPORT_MODE = "report_mode"
    """In the configured mode Reconciler writes no row of the merchant."""
    NOT_APPLIED = "not_applied"
    """A person asked for a sweep that does not correct it: one that only records, or one of a reviewed file."""
    PAUSED = "paused"
    """A person has paused all writes to the account's rows."""
    HOURLY_LIMIT = "hourly_limit"
    """The service has corrected as many rows in this hour as the configuration allows."""
    WRONG_MODE = "wrong_mode"
    """Stripe says that the id exists in the other mode."""
    NOT_AN_ID = "not_an_id"
    """The row holds text that cannot be the id of a PaymentIntent. No sweep finds this any more; it closes what is stored."""
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
    INTENT_NOT_WRITABLE = "intent_not_writable"
    """The row's PaymentIntent is an SQL expression in the configuration, so that no intent can be written to the row."""
    NOT_KEPT_BY_TABLE = "not_kept_by_table"
    """The table answered yes and did not keep what was written."""
    REVERTED = "reverted"
    """A person took this correction back."""
    NOT_READABLE = "not_readable"
    """An SQL text of [payments] fails for the row, so that nothing is known of it for certain."""
    KEPT = "kept"
    """The configuration says that rows of this outcome stay as they are."""


class Cause(StrEnum):
    """Why the webhook was lost, if the known events show it."""

    UNDELIVERED = "undelivered"
    """Stripe could not deliver the event to every endpoint."""
    NOTHING_PENDING = "nothing_pending"
    """No delivery of the event is pending. That is all it says: there may have been no endpoint to receive it."""
    NEVER_GENERATED = "never_generated"
    """Stripe's list of events around the change is complete and has none."""
    OUT_OF_REACH = "out_of_reach"
    """The change is older than the 30 days for which Stripe keeps events."""


class Closing(StrEnum):
    """Why a discrepancy was closed."""

    AGREEMENT = "agreement"
    """Both sides agree."""
    SUPERSEDED = "superseded"
    """The row and the intent have a finding of another kind instead."""
    CONDITION_GONE = "condition_gone"
    """The condition of a side finding does not hold any more."""
    OUT_OF_SCOPE = "out_of_scope"
    """Its row is not in the mapping any more: it was deleted, is outside ``where``, or belongs to another account."""


def subject_of(kind: Kind, payment_intent: str | None, keys: tuple[str, ...]) -> str:
    """The part of a discrepancy's identity that says what it is about: the intent, or ``row:KEY``."""
    if payment_intent is None or kind is Kind.PAID_BY_OTHER_INTENT:
        return f"row:{','.join(keys)}"
    return payment_intent


@dataclass(frozen=True)  # without slots, which cached_property cannot have
class Finding:
    """One disagreement, as one examination saw it.

    ``keys`` are the keys of its rows. ``local`` and ``stripe`` are both sides' values: the fingerprint is made of them,
    so they hold no times. ``evidence`` is what a person wants to read besides. ``stake`` is the money concerned.
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
    difference: Mapping[str, int] = field(default_factory=dict)
    """By currency, in minor units: what the rows call paid less what Stripe received. Of one payment's findings one has it."""
    payment_created: datetime | None = None
    """When the payment was created, by Stripe's clock; the row's time if Stripe has no intent."""
    order: str | None = None
    """The merchant's order that the payment is for; None if it is not known."""

    @cached_property
    def subject(self) -> str:
        """What the discrepancy is about: the intent, or the rows if they hold none or another intent paid for them."""
        return subject_of(self.kind, self.payment_intent, self.keys)

    def belongs_to(self, intent_id: str) -> bool:
        """Whether it is examined together with this intent: it is about it, or about a row that holds it."""
        return self.subject == intent_id or (
            self.kind is Kind.PAID_BY_OTHER_INTENT and self.payment_intent == intent_id
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the kind and both sides' values."""
        text = canonical_json({"kind": self.kind.value, "local": self.local, "stripe": self.stripe})
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredDiscrepancy:
    """The part of a stored discrepancy that decides its next state. ``revert`` is None if nothing was taken back."""

    id: int
    subject: str
    kind: Kind
    state: State
    fingerprint: str
    reason: Reason | None = None
    payment_intent: str | None = None
    revert: Revert | None = None
    keys: tuple[str, ...] = ()

    @property
    def is_about_rows(self) -> bool:
        """Whether it is open and about rows of the mapping, and not about an intent that no such row holds."""
        return (
            self.state is State.OPEN and self.kind is not Kind.MISSING_LOCALLY and bool(self.keys)
        )

    @property
    def intent(self) -> str:
        """The intent with which it is examined: its subject, or the intent that the row of its subject holds."""
        return self.payment_intent or self.subject
