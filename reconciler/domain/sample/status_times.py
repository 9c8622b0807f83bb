"""A status that no column holds: some tables only have the times at which a payment was made, canceled or refunded."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from reconciler.domain.outcome import AT_STRIPE, Outcome
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import SampledColumn, ValueKind, literal
from reconciler.domain.sample.status_words import outcome_with_money_back, usual_meaning

_ENDING: Final = re.compile(r"_?(at|on|date|time|timestamp)$", re.IGNORECASE)
_LAST_FIRST: Final = (
    Outcome.REFUNDED,
    Outcome.DISPUTED,
    Outcome.CANCELED,
    Outcome.SUCCEEDED,
    Outcome.AUTHORIZED,
    Outcome.PROCESSING,
    Outcome.FAILED,
)
"""Of several times that a row has, the first of these says what became of it in the end."""
_BACK: Final = frozenset({Outcome.REFUNDED, Outcome.DISPUTED})
_MAY_FOLLOW: Final = {
    Outcome.SUCCEEDED: _BACK,
    Outcome.AUTHORIZED: _BACK | {Outcome.SUCCEEDED, Outcome.CANCELED},
    Outcome.PROCESSING: frozenset(Outcome),
    Outcome.FAILED: frozenset(Outcome),
}
"""What Stripe may say of a row that has the time of this outcome and not its own."""
OPEN_WORD: Final = "pending"


@dataclass(frozen=True, slots=True)
class FoundTime:
    """A time that says what became of a row. ``agreeing`` of ``compared`` rows with it have that outcome at Stripe."""

    column: SampledColumn
    outcome: Outcome
    compared: int
    agreeing: int


@dataclass(frozen=True, slots=True)
class StatusTimes:
    """The times that together are a status, the last one of a payment's life first."""

    times: tuple[FoundTime, ...]

    @property
    def sql(self) -> str:
        """The SQL text that gives the outcome's own word, and ``pending`` for a row without any of these times."""
        cases = " ".join(
            f"WHEN {one.column.reference} IS NOT NULL THEN {literal(one.outcome.value)}"
            for one in self.times
        )
        return f"CASE {cases} ELSE {literal(OPEN_WORD)} END"

    @property
    def written(self) -> tuple[FoundTime, ...]:
        """The times that a correction may set."""
        return tuple(one for one in self.times if one.outcome in AT_STRIPE)


def find_status_times(
    compared: ComparedTable, used: Collection[SampledColumn]
) -> StatusTimes | None:
    """The times whose names say an outcome, without the columns that are ``used``; None if no payment is made by one.

    A time by which more rows have another outcome at Stripe than its own is none of them.
    """
    table = compared.table
    by_outcome: dict[Outcome, FoundTime] = {}
    for column in table.columns:
        outcome = usual_meaning(_ENDING.sub("", column.name))
        # a time that is stored as a text cannot be set to now()
        is_own = column.sql is None and column.time_sql is None
        is_time = column.kind is ValueKind.TIME and is_own and column.is_nullable
        if not is_time or column in used or outcome not in _LAST_FIRST:
            continue
        outcomes = [
            outcome_with_money_back(intent)
            for value, intent in zip(table.values(column), compared.intents, strict=True)
            if value is not None and intent is not None
        ]
        possible = {outcome, *_MAY_FOLLOW.get(outcome, ())}
        agreeing = sum(found in possible for found in outcomes)
        if 2 * agreeing >= len(outcomes):
            by_outcome.setdefault(outcome, FoundTime(column, outcome, len(outcomes), agreeing))
    if Outcome.SUCCEEDED not in by_outcome:
        return None
    return StatusTimes(
        tuple(by_outcome[outcome] for outcome in _LAST_FIRST if outcome in by_outcome)
    )
