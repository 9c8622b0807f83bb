"""What happened to the rows of a page between the load and the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.rules.decision import Correct
from reconciler.engine.page.decided_page import MatchDecision


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What happened to the rows of a page between the load and the lock, by intent."""

    changed: frozenset[str]
    """The intents of which a row is not as it was loaded."""
    joined: frozenset[str]
    """The intents that a row holds which did not hold them before."""

    def makes_late(self, item: MatchDecision) -> bool:
        """Whether the change of the row may be newer than the answer from Stripe, so that the decision has to wait."""
        intent = item.match.intent.id
        if intent in self.changed:
            return not item.agrees
        return intent in self.joined and isinstance(item.decision, Correct)


def row_changes(matches: Sequence[Match], payments: Sequence[Payment]) -> RowChanges:
    # a key that is null, or not unique, names several rows
    now: dict[str, set[tuple[str | None, ...]]] = {}
    for row in payments:
        now.setdefault(row.key, set()).add(_content(row))
    # A row may have changed from one match of the page to another. There it is new, as if it had been inserted.
    loaded = {
        (row.key, intent)
        for match in matches
        for row in match.payments
        for intent in (row.payment_intent, match.intent.id)
    }
    return RowChanges(
        changed=frozenset(
            match.intent.id
            for match in matches
            if any(_content(row) not in now.get(row.key, {_content(row)}) for row in match.payments)
        ),
        joined=frozenset(
            row.payment_intent
            for row in payments
            if row.payment_intent is not None and (row.key, row.payment_intent) not in loaded
        ),
    )


def _content(row: Payment) -> tuple[str | None, ...]:
    return row.column_text, row.payment_intent, row.status, row.stored_amount, row.stored_currency


def as_they_are_now(
    matches: Sequence[Match], payments: Sequence[Payment], moved: frozenset[str]
) -> tuple[list[Match], list[Match]]:
    """The matches with their rows as read again; and those with a row that is locked, gone, moved or holds another id."""
    by_key: dict[str, list[Payment]] = {}
    for payment in payments:
        by_key.setdefault(payment.key, []).append(payment)
    by_intent: dict[str | None, list[Payment]] = {}
    for payment in payments:
        by_intent.setdefault(payment.payment_intent, []).append(payment)

    current, gone = [], []
    for match in matches:
        rows = {payment.key: payment for payment in by_intent.get(match.intent.id, ())}
        for loaded in match.payments:
            row = _same_row(loaded, by_key.get(loaded.key, ()))
            if row is not None:
                rows[loaded.key] = row
        all_are_there = all(loaded.key in rows for loaded in match.payments)
        if all_are_there and not moved & rows.keys():
            ordered = tuple(rows[key] for key in sorted(rows))
            current.append(replace(match, payments=ordered))
        else:
            gone.append(match)
    return current, gone


def _same_row(loaded: Payment, rows: Sequence[Payment]) -> Payment | None:
    """The row that was loaded, among those with its key; None if none of them holds its id."""
    same = [row for row in rows if row.column_text == loaded.column_text]
    return next(
        (row for row in same if row.order == loaded.order), same[0] if len(same) == 1 else None
    )
