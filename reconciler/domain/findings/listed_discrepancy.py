"""A stored discrepancy as a person reads it in a list or an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.domain.findings.discrepancy import (
    Cause,
    Finding,
    Kind,
    Reason,
    Severity,
    State,
    subject_of,
)
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome

_RECEIVED: dict[str, str] = {
    Outcome.SUCCEEDED: "amount_received",
    Outcome.AUTHORIZED: "amount_capturable",
}
"""Which of Stripe's amounts says how much money there is; for the other outcomes it is the amount that was asked for."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of a payment. ``amount`` is in minor units; None if the side has no single one."""

    status: str | None
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Corrected:
    """Who corrected the rows, when, and in which sweep."""

    at: datetime
    by: str
    sweep: int | None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A stored discrepancy with everything that a list or an export shows.

    Its age and its due date count from ``opened_at``. ``seen_at`` is None if no person has looked at it since it was
    opened or changed. ``order`` is the merchant's order, ``payment_created`` the time at which the payment was created.
    """

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
    opened_at: datetime
    changed_at: datetime
    order: str | None = None
    payment_created: datetime | None = None
    owner: str | None = None
    due_at: datetime | None = None
    seen_at: datetime | None = None
    corrected: Corrected | None = None

    @property
    def subject(self) -> str:
        """What the discrepancy is about, as ``Finding.subject`` has it."""
        return subject_of(self.kind, self.payment_intent, self.keys)

    @property
    def finding(self) -> Finding:
        """What the last examination that met it found."""
        return Finding(
            kind=self.kind,
            severity=self.severity,
            stake=self.stake,
            payment_intent=self.payment_intent,
            keys=self.keys,
            local=self.local,
            stripe=self.stripe,
            reason=None if self.reason is None else Reason(self.reason),
            cause=None if self.cause is None else Cause(self.cause),
            evidence=self.evidence,
            payment_created=self.payment_created,
            order=self.order,
        )

    def age(self, now: datetime) -> timedelta | None:
        """How long it has been open; None if it is not open."""
        return max(now - self.opened_at, timedelta(0)) if self.state is State.OPEN else None

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is open after its due date."""
        return self.due_at is not None and self.due_at < now

    @property
    def ending(self) -> str | None:
        """How it ended: a ``Closing``, or the state if it was corrected, or settled by a person; None while it is open."""
        return None if self.state is State.OPEN else self.closing or self.state.value

    @property
    def ended_at(self) -> datetime | None:
        """When it was corrected, closed or settled; None while it is open."""
        if self.state is State.OPEN:
            return None
        return self.changed_at if self.corrected is None else self.corrected.at

    @property
    def local_side(self) -> Side:
        """What the rows say."""
        return local_side_of(self.local)

    @property
    def stripe_side(self) -> Side:
        """What Stripe says."""
        return stripe_side_of(self.stripe)


def local_side_of(local: Mapping[str, Any]) -> Side:
    """What the rows say. Several rows have no single amount; their statuses stand beside each other."""
    found = local.get("rows")
    rows: list[Mapping[str, Any]] = _rows(found) if isinstance(found, list | tuple) else [local]
    statuses = [str(row["status"]) for row in rows if row.get("status") is not None]
    single: Mapping[str, Any] = rows[0] if len(rows) == 1 else {}
    return Side(
        " ".join(statuses) or None, _number(single.get("amount")), _text(single.get("currency"))
    )


def stripe_side_of(stripe: Mapping[str, Any]) -> Side:
    """What Stripe says: the money that was received or is held, else the amount that was asked for."""
    name = _RECEIVED.get(str(stripe.get("outcome")), "amount")
    return Side(
        _text(stripe.get("status")), _number(stripe.get(name)), _text(stripe.get("currency"))
    )


def _rows(found: Sequence[object]) -> list[Mapping[str, Any]]:
    return [row for row in found if isinstance(row, Mapping)]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
