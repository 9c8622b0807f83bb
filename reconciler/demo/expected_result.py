"""What must be true after the sweep, noted while the payments are made.

The demonstration knows this from what happened to each payment. It never asks Reconciler's rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.domain.findings.discrepancy import Kind


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """How a row must be after the sweep: with this status and, if it has to be corrected, with this intent.

    A row that already has the status must stay unchanged.
    """

    status: str
    payment_intent: str | None


@dataclass(frozen=True, slots=True)
class PlantedFinding:
    """A discrepancy that must be found: its kind, and the intent that it is about."""

    kind: Kind
    payment_intent: str


@dataclass(slots=True)
class ExpectedResult:
    """What was made, and what must be true after the sweep.

    ``payments`` counts all payments. ``rows`` says for the key of every row how it must be. ``customers`` has the rows of
    ordinary customers, by key, with their intents: Stripe itself knows the right status of these. ``findings`` are the
    planted discrepancies. ``waits`` are the intents that have changed too recently to be judged.
    """

    payments: int = 0
    rows: dict[str, ExpectedRow] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    findings: set[PlantedFinding] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)

    def add_finding(self, kind: Kind, payment_intent: str) -> None:
        """Note a planted discrepancy."""
        self.findings.add(PlantedFinding(kind, payment_intent))
