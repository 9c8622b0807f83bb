"""Whether events ask for a look: an intent is retrieved only where its snapshot differs from the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell

_FINAL: Final = frozenset({Outcome.SUCCEEDED, Outcome.CANCELED})
_GIVEN_BACK: Final = frozenset({Outcome.REFUNDED, Outcome.DISPUTED})
_SILENT: Final = frozenset(
    {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING, Outcome.CANCELED}
)
"""Without a row, these say nothing: no money was taken and none is held."""


def asks_for_retrieve(
    events: Sequence[Event],
    payments: Sequence[Payment],
    rules: Rules,
    *,
    order_was_paid: bool = False,
) -> bool:
    """Whether the intent that these events name has to be retrieved.

    ``payments`` are the rows that hold it; ``order_was_paid`` is whether another intent was paid for the same order.
    No is said only where the events themselves show that there is nothing to correct and nothing to flag.
    """
    if order_was_paid or len(payments) > 1:
        return True
    given_back = bool(payments) and payments[0].outcome in _GIVEN_BACK
    if any(event.snapshot is None for event in events) and not given_back:
        return True
    decisive = _decisive(events)
    if not payments:
        return any(_speaks(snapshot, rules) for snapshot in decisive)
    return not all(_agrees(snapshot, payments[0]) for snapshot in decisive)


def _decisive(events: Sequence[Event]) -> list[Snapshot]:
    """The snapshots that tell the state: a final one, for nothing follows it; else all of the newest second.

    Events arrive late, out of order, and share seconds.
    """
    shown = [(event.created, event.snapshot) for event in events if event.snapshot is not None]
    final = [snapshot for _, snapshot in shown if snapshot.outcome in _FINAL]
    if final or not shown:
        return final
    newest = max(created for created, _ in shown)
    return [snapshot for created, snapshot in shown if created == newest]


def _speaks(snapshot: Snapshot, rules: Rules) -> bool:
    ours = all(snapshot.metadata.get(key) == value for key, value in rules.metadata.items())
    linked = rules.link_metadata is not None and bool(snapshot.metadata.get(rules.link_metadata))
    return ours and (linked or snapshot.outcome not in _SILENT)


def _agrees(snapshot: Snapshot, payment: Payment) -> bool:
    if TABLE.get((payment.outcome, snapshot.outcome)) is not Cell.KEEP:
        return False
    if payment.outcome is not Outcome.SUCCEEDED:
        return True
    return (payment.amount, payment.currency) == (snapshot.amount_received, snapshot.currency)
