"""Which condition leaves out the rows of other gateways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.domain.sample.agreement import FEW
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    SampledTable,
    ValueKind,
    literal,
)

MOST_WORDS: Final = 20
"""A column with more values than this names no gateway."""
_DELETED: Final = re.compile(
    r"(is_?)?(soft_?)?(deleted|removed|trashed|discarded|archived)(_?(at|on|time|date))?",
    re.IGNORECASE,
)
STRIPES_PREFIXES: Final = ("pi_", "cs_", "ch_", "py_")
"""How the ids begin that lead to a PaymentIntent."""


def separating_condition(table: SampledTable, ids: Sequence[str | None], reference: str) -> str:
    """An SQL condition that keeps the rows with an id of Stripe's, and leaves out those with another gateway's.

    ``ids`` are what the rows of the sample hold as the PaymentIntent, and ``reference`` gives it in an SQL text. The
    condition compares a column in which all rows with Stripe's ids hold one value, and no other row with an id does.
    Without such a column it compares the ids themselves, and keeps the rows that have none yet.
    """
    for column in table.columns:
        if column.kind is ValueKind.TEXT and column.reference != reference:
            word = _separating_word(ids, table.values(column))
            if word is not None:
                return f"{column.reference} = {literal(word)}"
    prefixes = ", ".join(literal(prefix) for prefix in STRIPES_PREFIXES)
    return f"({reference} IS NULL OR {reference} = '' OR left({reference}, 3) IN ({prefixes}))"


def _separating_word(ids: Sequence[str | None], words: Sequence[str | None]) -> str | None:
    """The one value of the rows with Stripe's ids, None if they have several or other rows have it too."""
    stripes: Counter[str | None] = Counter()
    others: Counter[str | None] = Counter()
    for text, word in zip(ids, words, strict=True):
        if text is None or not text.strip():
            continue
        is_foreign = stored_id(text).kind is StoredIdKind.FOREIGN
        (others if is_foreign else stripes)[word] += 1
    if len(stripes) != 1 or len(others) > MOST_WORDS or stripes.keys() & others.keys():
        return None
    word, count = next(iter(stripes.items()))
    return word if word is not None and count >= FEW else None


@dataclass(frozen=True, slots=True)
class DeletedRows:
    """Sampled rows that are marked as deleted, and the condition that leaves them out.

    ``twins`` of them hold a PaymentIntent that a row without the mark holds too.
    """

    column: SampledColumn
    condition: str
    rows: int
    twins: int


def deleted_rows(table: SampledTable, ids: Sequence[str | None]) -> DeletedRows | None:
    """The rows that the table only marks as deleted; None if no sampled row is. ``ids`` are what they hold as the PaymentIntent."""
    for column in table.columns:
        is_mark = column.kind in (ValueKind.TIME, ValueKind.BOOLEAN) and column.sql is None
        if not is_mark or _DELETED.fullmatch(column.name) is None:
            continue
        is_time = column.kind is ValueKind.TIME
        marks = [
            value is not None and (is_time or value == "true") for value in table.values(column)
        ]
        if any(marks):
            live = {text for text, mark in zip(ids, marks, strict=True) if not mark and text}
            twins = sum(mark and text in live for text, mark in zip(ids, marks, strict=True))
            ending = "IS NULL" if is_time else "IS NOT TRUE"
            condition = f"{column.reference} {ending}"
            return DeletedRows(column, condition, sum(marks), twins)
    return None
