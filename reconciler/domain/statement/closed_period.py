"""A period of which a person has done a step, and the signed periods that share days with another one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.statement.close_state import Step
from reconciler.domain.statement.period import Period


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A period with its steps, in their order. There is at least one."""

    period: Period
    steps: tuple[Step, ...]

    @property
    def signature(self) -> Step | None:
        """The step that signed it; None if it is not signed now."""
        last = self.steps[-1]
        return last if last.action is Action.PERIOD_SIGNED else None


def signed_overlaps(period: Period, others: Iterable[ClosedPeriod]) -> tuple[ClosedPeriod, ...]:
    """The signed periods that share a moment with this one, without itself; the earliest first."""
    found = [
        one
        for one in others
        if one.signature is not None
        and _name(one.period) != _name(period)
        and one.period.start < period.end
        and period.start < one.period.end
    ]
    return tuple(sorted(found, key=lambda one: (one.period.start, one.period.end)))


def _name(period: Period) -> tuple[str, str, str]:
    return period.first.isoformat(), period.last.isoformat(), str(period.zone)
