"""In whose name a sweep acts, and what it may write."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.report import Mode, Writing

SERVICE = "service"
"""Who asks when nobody does: the hourly limit counts the corrections made in this name."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Stands in every ledger entry of a sweep. ``epoch`` is that of the lease it is written under."""

    account: str
    sweep: int | None
    asked_by: str
    mode: Mode
    writing: Writing
    epoch: int

    @property
    def is_service(self) -> bool:
        """The service keeps a schedule: it looks at a payment again when that is worth a read."""
        return self.asked_by == SERVICE
