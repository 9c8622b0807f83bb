"""Which columns are the times at which a row was made and last changed: by comparing their values with Stripe's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.sample.agreement import SHARE, Agreement
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.find_columns import (
    NOT_COMPARED,
    NUMBERS,
    Found,
    as_decimal,
    best_found,
    named_column,
)
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

CLOSE: Final = timedelta(minutes=10)
"""A shop makes its row at most so long before or after the PaymentIntent."""
_CREATED: Final = re.compile(r"creat|insert|placed|added|timestamp|^date|^time|^at$", re.IGNORECASE)
_UPDATED: Final = re.compile(r"updat|modif|chang", re.IGNORECASE)
_FIRST: Final = 1_000_000_000
_LAST: Final = 5_000_000_000
"""Seconds since 1970 of the years 2001 and 2128: a number between them can be a time, and a thousand times as much too."""


def find_created(compared: ComparedTable) -> Found | None:
    """The time at which the row was made; the unit is "s" or "ms" for a number, None for a time.

    A time that many rows lack, such as that of the payment, is not sure: a sweep over a range leaves such rows out.
    """
    table = compared.table
    times = [column for column in table.columns if column.kind is ValueKind.TIME]
    numbers = [column for column in table.columns if column.kind in NUMBERS]
    found = [
        one
        for one in (
            best_found(compared, times, _CREATED, ((None, _is_close(1)),)),
            best_found(compared, numbers, _CREATED, (("s", _is_close(1)), ("ms", _is_close(1000)))),
        )
        if one is not None
    ]
    if found:
        # of a time and a number that agree in as many rows, the one that is named so, and else the time
        best = max(found, key=lambda one: (one.agreement.agreeing, _is_named(one.column)))
        return _unless_empty(table, best)

    named = named_column(table, times, _CREATED)
    if named is not None:
        return Found(named, Agreement(0, 0), None, NOT_COMPARED)
    named = named_column(
        table, [column for column in numbers if _unit(table, column) is not None], _CREATED
    )
    return (
        None if named is None else Found(named, Agreement(0, 0), _unit(table, named), NOT_COMPARED)
    )


def _is_named(column: SampledColumn) -> bool:
    return _CREATED.search(column.name) is not None


def _is_close(factor: int) -> Callable[[str, Intent], bool]:
    """Whether a number, divided by the factor, is about the second in which an intent was created."""

    def is_close(text: str, intent: Intent) -> bool:
        seconds = as_decimal(text)
        if seconds is None or not seconds.is_finite():
            return False
        distance = abs(float(seconds) / factor - intent.created.timestamp())
        return distance <= CLOSE.total_seconds()

    return is_close


def _unless_empty(table: SampledTable, found: Found) -> Found:
    rows = len(table.rows)
    empty = rows - len(table.present(found.column))
    if not found.is_sure or empty <= (1 - SHARE) * rows:
        return found
    why = f"it is empty in {Agreement(rows, empty)} sampled rows, and a sweep over a range of time leaves these rows out"
    return replace(found, why_not=why)


def _unit(table: SampledTable, column: SampledColumn) -> str | None:
    """What the values of a column may count since 1970, by their size: "s" or "ms", None if they are no times."""
    values = [as_decimal(text) for text in table.present(column)]
    for unit, factor in (("s", 1), ("ms", 1000)):
        if values and all(
            value is not None and _FIRST * factor <= value <= _LAST * factor for value in values
        ):
            return unit
    return None


def find_updated(table: SampledTable, created: SampledColumn) -> SampledColumn | None:
    """The column with the time of the last change: no row has an earlier one than its creation."""
    for column in table.columns:
        is_time = column.kind is ValueKind.TIME and column.sql is None and column.time_sql is None
        if not is_time or column == created:
            continue
        times = zip(table.values(column), table.values(created), strict=True)
        known = [(last, first) for last, first in times if last is not None and first is not None]
        is_later = all(float(last) + 1 >= float(first) for last, first in known)
        if _UPDATED.search(column.name) and known and is_later:
            return column
    return None
