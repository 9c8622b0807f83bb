"""What must be true after the sweep, written down while the payments are made.

This is the demonstration's own knowledge of right and wrong: it says what happened, never how the reconciler judges.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.domain.findings.discrepancy import Kind


@dataclass(frozen=True, slots=True)
class End:
    """How a row must end: with this status, and where it has to be corrected, holding this intent.

    A row that has the status already must be left exactly as it is.
    """

    status: str
    payment_intent: str | None


@dataclass(frozen=True, slots=True)
class PlantedFinding:
    """A discrepancy that must be found: its kind, and the intent that it is about."""

    kind: Kind
    payment_intent: str


@dataclass(slots=True)
class Expectations:
    """Everything that was made, and its right end.

    ``ends`` has a right end for every row. ``stories`` are the rows of ordinary customers with their intents: for these
    Stripe itself knows the right status. ``findings`` are the planted discrepancies, ``waits`` the intents that it is
    too early to judge.
    """

    payments: int = 0
    ends: dict[str, End] = field(default_factory=dict)
    stories: dict[str, str] = field(default_factory=dict)
    findings: set[PlantedFinding] = field(default_factory=set)
    waits: set[str] = field(default_factory=set)

    def expect(self, kind: Kind, payment_intent: str) -> None:
        """A discrepancy is planted."""
        self.findings.add(PlantedFinding(kind, payment_intent))
