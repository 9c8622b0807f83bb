"""Which columns are the amount and the currency: by comparing their values with Stripe's.

Without Stripe's side only names and types speak, and nothing is sure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.money import to_minor
from reconciler.domain.sample.agreement import FEW, Agreement
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

NUMBERS: Final = (ValueKind.INTEGER, ValueKind.NUMERIC)
NOT_COMPARED: Final = "the column was not compared with Stripe"
_AMOUNT: Final = re.compile(r"amount|total|price|cents|value|sum", re.IGNORECASE)
_CURRENCY: Final = re.compile(r"curr|ccy|^cur$|iso_?code", re.IGNORECASE)
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


def best_found(
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
            why = (
                ""
                if agreement.is_sure(FEW)
                else f"the column agrees with Stripe in {agreement} rows"
            )
            if agreement.agreeing and (best is None or rank > best[0]):
                best = rank, Found(column, agreement, unit, why)
    return None if best is None else best[1]


def named_column(
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
        amount = as_decimal(text)
        if amount is None:
            return False
        minor = to_minor(amount, intent.currency if unit == "major" else "jpy")
        return minor is not None and minor in (intent.amount, intent.amount_received)

    table = compared.table
    numbers = [column for column in table.columns if column.kind in NUMBERS]
    found = best_found(
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
    named = named_column(table, numbers, _AMOUNT)
    if named is None:
        return None
    # 12.50 is major for certain; 1250 only seems to be minor
    unit = "major" if any("." in value for value in table.present(named)) else "minor"
    return Found(named, Agreement(0, 0), unit, NOT_COMPARED)


def as_decimal(text: str) -> Decimal | None:
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
    found = best_found(compared, texts, _CURRENCY, ((None, agrees),))
    if found is not None:
        return found
    named = named_column(table, texts, _CURRENCY)
    return None if named is None else Found(named, Agreement(0, 0), None, NOT_COMPARED)


def only_currency(compared: ComparedTable) -> tuple[str, int] | None:
    """The one currency of all compared rows, and how many these are; None if they have several."""
    counted = Counter(intent.currency for intent in compared.compared)
    return next(iter(counted.items())) if len(counted) == 1 else None
