"""Until when a person should have dealt with an open discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.money import Money


@dataclass(frozen=True, slots=True)
class DueRules:
    """How long after it was opened a discrepancy is due: by its severity, and by the money at stake.

    ``by_amount`` holds for that much money or more, in one currency. If several rules fit, the shortest time counts; if
    none fits, there is no due date.
    """

    by_severity: Mapping[Severity, timedelta] = field(default_factory=dict)
    by_amount: tuple[tuple[Money, timedelta], ...] = ()
