"""Every period of an account of which a person has done a step."""

from __future__ import annotations

from reconciler.domain.statement.close_state import close_state
from reconciler.engine.actions.close_period import Closing, PeriodLedger, closing_of


def closings(ledger: PeriodLedger, most_compared: int | None = None) -> tuple[Closing, ...]:
    """How far the closing of each period is, the latest period first.

    The figures of a version are made anew, to compare them with what was signed. That takes as long as a statement, so
    that only the first ``most_compared`` periods are compared; the others have no figures, and the state of their steps.
    """
    closed = sorted(
        ledger.closed_periods(), key=lambda one: (one.period.end, one.period.start), reverse=True
    )
    return tuple(
        closing_of(ledger, one.period)
        if most_compared is None or number < most_compared
        else Closing(one.period, close_state(one.steps, None), one.steps, None)
        for number, one in enumerate(closed)
    )
