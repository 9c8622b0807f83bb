"""Several rows that hold one intent: a row for each attempt, a row for each part, or a question for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import NEGATIVE, Outcome

_PAID_OR_REFUNDED: Final = frozenset({Outcome.SUCCEEDED, Outcome.REFUNDED})


class RowsRelation(StrEnum):
    """How the rows of one intent belong together."""

    SINGLE = "single"
    """One row, or one row beside the history of earlier attempts."""
    PARTS = "parts"
    """Rows that add up to the intent's amount: they stand as one payment of their sum."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class RowsOfIntent:
    """The rows of an intent as the rules see them.

    ``compared`` are the rows that one examination compares: one row for SINGLE, all parts for PARTS. ``history`` are
    the rows of earlier attempts, which stay as they are. ``as_one`` stands for ``compared`` in a comparison.
    """

    relation: RowsRelation
    compared: tuple[Payment, ...]
    as_one: Payment
    history: tuple[Payment, ...] = ()


def rows_of_intent(rows: Sequence[Payment], intent: Intent) -> RowsOfIntent:
    """What the rows of an intent are to each other; ``rows`` has at least one."""
    if len(rows) == 1:
        return RowsOfIntent(RowsRelation.SINGLE, tuple(rows), rows[0])

    attempts = _attempts(rows)
    if attempts is not None:
        return attempts
    if _are_parts(rows, intent):
        return RowsOfIntent(RowsRelation.PARTS, tuple(rows), _sum_of(rows))
    return RowsOfIntent(RowsRelation.UNEXPLAINED, tuple(rows), rows[0])


def _attempts(rows: Sequence[Payment]) -> RowsOfIntent | None:
    """A row for each attempt: all alike, and exactly one that has not ended as failed or canceled."""
    alike = {(row.amount, row.currency, row.order) for row in rows}
    going_on = [row for row in rows if row.outcome not in NEGATIVE]
    if len(alike) != 1 or len(going_on) != 1:
        return None
    history = tuple(row for row in rows if row is not going_on[0])
    return RowsOfIntent(RowsRelation.SINGLE, (going_on[0],), going_on[0], history)


def _are_parts(rows: Sequence[Payment], intent: Intent) -> bool:
    """A row for each part: one outcome, one currency, positive amounts, and together the intent's amount."""
    if len({row.outcome for row in rows}) != 1 or len({row.currency for row in rows}) != 1:
        return False
    amounts = [row.amount for row in rows]
    if not all(amount is not None and amount > 0 for amount in amounts):
        return False
    return sum(amount for amount in amounts if amount is not None) == intent.amount


def _sum_of(rows: Sequence[Payment]) -> Payment:
    total = sum(row.amount for row in rows if row.amount is not None)
    return replace(rows[0], amount=total)


def parts_agree_with_refund(rows: Sequence[Payment], received: int, refunded: int) -> bool:
    """Parts of which some read succeeded and some refunded: whether they tell what Stripe received and gave back."""
    outcomes = {row.outcome for row in rows}
    if outcomes != _PAID_OR_REFUNDED or len({row.currency for row in rows}) != 1:
        return False
    if not all(row.amount is not None and row.amount > 0 for row in rows):
        return False
    total = sum(row.amount or 0 for row in rows)
    back = sum(row.amount or 0 for row in rows if row.outcome is Outcome.REFUNDED)
    return total == received and back == refunded
