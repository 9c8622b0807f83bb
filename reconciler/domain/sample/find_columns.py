"""Which columns are the amount, the currency, the times, the order and the key: by comparing their values with Stripe's.

Without Stripe's side only names and types speak, and nothing is sure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from reconciler.domain.model.intent import Intent
from reconciler.domain.money import to_minor
from reconciler.domain.sample.agreement import FEW, Agreement
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

NUMBERS: Final = (ValueKind.INTEGER, ValueKind.NUMERIC)
CLOSE: Final = timedelta(minutes=10)
"""A shop makes its row at most so long before or after the PaymentIntent."""
NOT_COMPARED: Final = "it was not compared with Stripe"
_AMOUNT: Final = re.compile(r"amount|total|price|cents|value|sum", re.IGNORECASE)
_CREATED: Final = re.compile(r"creat|insert|placed|added|timestamp|^date|^time|^at$", re.IGNORECASE)
_UPDATED: Final = re.compile(r"updat|modif|chang", re.IGNORECASE)
_CURRENCY: Final = re.compile(r"currency|iso_?code", re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Za-z]{3}")


@dataclass(frozen=True, slots=True)
class Found:
    """A column that plays a part. ``unit`` is that of an amount or of a number that counts time.

    ``why_not`` says why it is not sure, and is empty if it is.
    """

    column: SampledColumn
    agreement: Agreement
    unit: str | None = None
    why_not: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether Stripe's side proves it."""
        return not self.why_not


def _best(
    compared: ComparedTable,
    columns: Iterable[SampledColumn],
    names: re.Pattern[str],
    tests: Sequence[tuple[str | None, Callable[[str, Intent], bool]]],
) -> Found | None:
    """The column whose values agree with Stripe's in the most rows, by any of the tests; a fitting name breaks a tie."""
    best: tuple[tuple[int, bool, int], Found] | None = None
    for column in columns:
        pairs = list(compared.pairs(column))
        for unit, agrees in tests:
            agreement = Agreement(len(pairs), sum(agrees(*pair) for pair in pairs))
            is_named = names.search(column.name) is not None
            rank = (agreement.agreeing, is_named, -len(column.name))
            why = "" if agreement.is_sure(FEW) else f"it agrees with Stripe in {agreement} rows"
            if agreement.agreeing and (best is None or rank > best[0]):
                best = rank, Found(column, agreement, unit, why)
    return None if best is None else best[1]


def _named(
    table: SampledTable, columns: Iterable[SampledColumn], names: re.Pattern[str]
) -> SampledColumn | None:
    """The column with a fitting name, the one with the most values and then the shortest name first."""
    fitting = [column for column in columns if names.search(column.name)]
    return max(
        fitting, key=lambda column: (len(table.present(column)), -len(column.name)), default=None
    )


def find_amount(compared: ComparedTable) -> Found | None:
    """The amount and its unit, "minor" or "major"."""

    def agrees(text: str, intent: Intent, unit: str) -> bool:
        amount = _decimal(text)
        if amount is None:
            return False
        minor = to_minor(amount, intent.currency if unit == "major" else "jpy")
        return minor is not None and minor in (intent.amount, intent.amount_received)

    table = compared.table
    numbers = [column for column in table.columns if column.kind in NUMBERS]
    found = _best(
        compared,
        numbers,
        _AMOUNT,
        # in yen both units agree: minor is named first, and stays unless major agrees in more rows
        (
            ("minor", lambda text, intent: agrees(text, intent, "minor")),
            ("major", lambda text, intent: agrees(text, intent, "major")),
        ),
    )
    if found is not None:
        return found
    named = _named(table, numbers, _AMOUNT)
    if named is None:
        return None
    # 12.50 is major for certain; 1250 only seems to be minor
    unit = "major" if any("." in value for value in table.present(named)) else "minor"
    return Found(named, Agreement(0, 0), unit, NOT_COMPARED)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def find_currency(compared: ComparedTable) -> Found | None:
    """The column with the currency."""

    def agrees(text: str, intent: Intent) -> bool:
        return text.lower() == intent.currency

    table = compared.table
    texts = [
        column
        for column in table.columns
        if column.kind is ValueKind.TEXT
        and table.present(column)
        and all(_CODE.fullmatch(value.strip()) for value in table.present(column))
    ]
    found = _best(compared, texts, _CURRENCY, ((None, agrees),))
    if found is not None:
        return found
    named = _named(table, texts, _CURRENCY)
    return None if named is None else Found(named, Agreement(0, 0), None, NOT_COMPARED)


def only_currency(compared: ComparedTable) -> tuple[str, int] | None:
    """The one currency of all compared rows, and how many these are; None if they have several."""
    counted = Counter(intent.currency for intent in compared.compared)
    return next(iter(counted.items())) if len(counted) == 1 else None


def find_created(compared: ComparedTable) -> Found | None:
    """The time at which the row was made; the unit is "s" or "ms" for a number, None for a time."""

    def is_close(text: str, intent: Intent, factor: int) -> bool:
        seconds = _decimal(text)
        if seconds is None or not seconds.is_finite():
            return False
        distance = abs(float(seconds) / factor - intent.created.timestamp())
        return distance <= CLOSE.total_seconds()

    table = compared.table
    times = [column for column in table.columns if column.kind is ValueKind.TIME]
    numbers = [column for column in table.columns if column.kind in NUMBERS]
    found = _best(
        compared, times, _CREATED, ((None, lambda text, intent: is_close(text, intent, 1)),)
    )
    if found is None or not found.is_sure:
        counted: list[tuple[Literal["s", "ms"], int]] = [("s", 1), ("ms", 1000)]
        tests = [
            (unit, lambda text, intent, factor=factor: is_close(text, intent, factor))
            for unit, factor in counted
        ]
        found = _best(compared, numbers, _CREATED, tests) or found
    if found is not None:
        return found
    named = _named(table, times, _CREATED)
    return None if named is None else Found(named, Agreement(0, 0), None, NOT_COMPARED)


def find_updated(table: SampledTable, created: SampledColumn) -> SampledColumn | None:
    """The column with the time of the last change: no row has an earlier one than its creation."""
    for column in table.columns:
        if column.kind is not ValueKind.TIME or column.sql is not None or column == created:
            continue
        times = zip(table.values(column), table.values(created), strict=True)
        known = [(last, first) for last, first in times if last is not None and first is not None]
        is_later = all(float(last) + 1 >= float(first) for last, first in known)
        if _UPDATED.search(column.name) and known and is_later:
            return column
    return None
