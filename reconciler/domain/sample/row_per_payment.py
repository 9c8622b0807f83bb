"""Which rows of a table are the payments, if others note what became of a payment later, such as its refund."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.domain.sample.agreement import FEW, SHARE
from reconciler.domain.sample.row_conditions import MOST_WORDS
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    SampledTable,
    ValueKind,
    literal,
)

_STATUS: Final = re.compile(r"status|state", re.IGNORECASE)
"""A column named so says what became of the payment, and not what the row is."""


@dataclass(frozen=True, slots=True)
class PaymentRows:
    """The rows whose ``column`` holds ``word`` are the payments. The other ``others`` sampled rows share a PaymentIntent with one."""

    column: SampledColumn
    word: str
    others: int

    @property
    def condition(self) -> str:
        """The SQL condition that keeps them."""
        return f"{self.column.reference} = {literal(self.word)}"

    def of(self, table: SampledTable) -> SampledTable:
        """The sampled rows that are payments."""
        words = table.values(self.column)
        rows = zip(table.rows, words, strict=True)
        return SampledTable(
            table.name, table.columns, tuple(row for row, word in rows if word == self.word)
        )


def payment_rows(table: SampledTable, ids: Sequence[str | None]) -> PaymentRows | None:
    """The rows that are payments; None if no column tells them from the others. ``ids`` are the PaymentIntents of the rows.

    Each PaymentIntent has one row with the word, and nearly all rows with another word share theirs with such a row. So no
    payment is left out with them.
    """
    counts = Counter(text for text in ids if text)
    if sum(count > 1 for count in counts.values()) < FEW:
        return None
    for column in table.columns:
        if column.kind is not ValueKind.TEXT or column.is_unique or _STATUS.search(column.name):
            continue
        words = table.values(column)
        known = Counter(word for word in words if word is not None)
        if len(known) < 2 or len(known) > MOST_WORDS:
            continue
        word, _ = known.most_common(1)[0]
        mains = Counter(text for text, one in zip(ids, words, strict=True) if text and one == word)
        others = [text for text, one in zip(ids, words, strict=True) if text and one != word]
        shared = sum(text in mains for text in others)
        is_one_each = all(count == 1 for count in mains.values())
        if is_one_each and len(others) >= FEW and shared >= SHARE * len(others):
            return PaymentRows(column, word, len(others))
    return None
