"""Which columns are the order and the key of a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reconciler.domain.sample.agreement import FEW, Agreement
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

_NAMED: Final = re.compile(r"(id|key|no|nr|number|code|ref|reference)$", re.IGNORECASE)
"""How a column ends that may name a row."""


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """The column with the order, and the key of a PaymentIntent's metadata that names it."""

    column: SampledColumn
    key: str
    agreement: Agreement


def find_order(compared: ComparedTable) -> FoundOrder | None:
    """The column whose values stand in the metadata of the rows' PaymentIntents, and several of them."""
    keys = sorted({key for intent in compared.compared for key in intent.metadata})
    best: tuple[tuple[int, bool], FoundOrder] | None = None
    for column in compared.table.columns:
        if column.kind not in (ValueKind.TEXT, ValueKind.INTEGER):
            continue
        pairs = list(compared.pairs(column))
        for key in keys:
            named = [
                (value, intent.metadata[key]) for value, intent in pairs if key in intent.metadata
            ]
            same = [value for value, text in named if value == text]
            agreement = Agreement(len(named), len(same))
            # a value that all rows share names no order
            if not agreement.is_sure(FEW) or len(set(same)) < FEW:
                continue
            rank = (agreement.agreeing, "order" in f"{column.name} {key}".lower())
            if best is None or rank > best[0]:
                best = rank, FoundOrder(column, key, agreement)
    return None if best is None else best[1]


def find_key(table: SampledTable, intent: SampledColumn) -> SampledColumn | None:
    """The column that names a row: one that an index keeps unique, else one that is different in every sampled row."""
    plain = [
        column
        for column in table.columns
        if column.sql is None and column.kind in (ValueKind.INTEGER, ValueKind.TEXT)
    ]
    unique = [column for column in plain if column.is_unique and column != intent]
    unique.sort(key=lambda column: (column.is_nullable, column.name.lower() != "id"))
    if unique:
        return unique[0]
    leading = [column for column in plain if column.leads_unique]
    named = [column for column in plain if _NAMED.search(column.name)]
    named.sort(
        key=lambda column: (
            column.name.lower() != "id",
            not column.name.lower().endswith("id"),
            len(column.name),
        )
    )
    for column in [*leading, *named]:
        if column == intent:
            continue
        values = table.values(column)
        if values and None not in values and len(set(values)) == len(values):
            return column
    return intent if intent.is_unique else None
