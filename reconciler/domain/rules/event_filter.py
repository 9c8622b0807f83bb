"""Whether recent events are a reason to retrieve their intent: only if an event shows something that the row does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import FINAL_AT_STRIPE, Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell

_GIVEN_BACK: Final = frozenset({Outcome.REFUNDED, Outcome.DISPUTED})
_WITHOUT_MONEY: Final = frozenset(
    {Outcome.INCOMPLETE, Outcome.FAILED, Outcome.PROCESSING, Outcome.CANCELED}
)
"""Outcomes that are no finding without a row: no money was taken, and none is held."""

_PARTIALLY_FUNDED: Final = "payment_intent.partially_funded"
_MONEY_STAYED: Final = frozenset(
    {"refund.failed", "refund.updated", "charge.refund.updated", "charge.dispute.closed"}
)


def asks_for_retrieve(
    events: Sequence[Event],
    payments: Sequence[Payment],
    rules: Rules,
    *,
    order_was_paid: bool = False,
) -> bool:
    """Whether the intent that these events name has to be retrieved.

    ``payments`` are the rows that hold it. ``order_was_paid`` is whether another intent was paid for the same order. The
    result is False only if the events themselves show that there is nothing to correct and nothing to flag.
    """
    if order_was_paid or len(payments) > 1:
        return True
    # money that arrives in part changes no status
    types = {event.type for event in events}
    if _PARTIALLY_FUNDED in types:
        return True

    # an event about a refund or a dispute has no snapshot; a row that already says so needs no read
    row_says_given_back = bool(payments) and payments[0].outcome in _GIVEN_BACK
    if any(event.snapshot is None for event in events):
        if not row_says_given_back:
            return True
        # money that was to go back may not have gone, or a dispute may be over
        if types & _MONEY_STAYED:
            return True
    elif row_says_given_back:
        # nothing shows that the money went back, as the row says
        return True

    snapshots = _decisive_snapshots(events)
    if not payments:
        return any(_is_reportable_without_row(snapshot, rules) for snapshot in snapshots)
    return not all(_agrees(snapshot, payments[0]) for snapshot in snapshots)


def _decisive_snapshots(events: Sequence[Event]) -> list[Snapshot]:
    """The snapshots that show the state: the final ones, because no state follows them, else those of the newest second.

    Stripe sends events late and in any order, and several of them in one second.
    """
    # succeeded and canceled are never left, so the order of arrival does not matter for them
    shown = [(event.created, event.snapshot) for event in events if event.snapshot is not None]
    final = [snapshot for _, snapshot in shown if snapshot.outcome in FINAL_AT_STRIPE]
    if final or not shown:
        return final
    newest = max(created for created, _ in shown)
    return [snapshot for created, snapshot in shown if created == newest]


def _is_reportable_without_row(snapshot: Snapshot, rules: Rules) -> bool:
    names_order = rules.link_metadata is not None and bool(
        snapshot.metadata.get(rules.link_metadata)
    )
    return rules.owns(snapshot) and (names_order or snapshot.outcome not in _WITHOUT_MONEY)


def _agrees(snapshot: Snapshot, payment: Payment) -> bool:
    if TABLE.get((payment.outcome, snapshot.outcome)) is not Cell.KEEP:
        return False
    if payment.outcome is Outcome.AUTHORIZED and snapshot.outcome is Outcome.AUTHORIZED:
        held = (snapshot.amount_capturable, snapshot.currency)
        return not snapshot.amount_received and (payment.amount, payment.currency) == held
    if payment.outcome is Outcome.CANCELED and snapshot.amount_received:
        return False
    if payment.outcome is not Outcome.SUCCEEDED:
        return True
    return (payment.amount, payment.currency) == (snapshot.amount_received, snapshot.currency)
