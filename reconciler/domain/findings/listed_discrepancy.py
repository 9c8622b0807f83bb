"""A stored discrepancy as a person reads it in a list or an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.findings.discrepancy import Kind, Severity, State, subject_of
from reconciler.domain.money import Money


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A stored discrepancy with everything that a list or an export shows."""

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

    @property
    def subject(self) -> str:
        """What the discrepancy is about, as ``Finding.subject`` has it."""
        return subject_of(self.kind, self.payment_intent, self.keys)
