"""Discrepancies as CSV for people: each amount also as a decimal number in the major unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from reconciler.adapters.postgres.discrepancies.stored_discrepancy import StoredDiscrepancy
from reconciler.domain.money import as_major
from reconciler.entrypoints.cli.discrepancy_fields import NAMES, values_of
from reconciler.entrypoints.cli.output import write_csv_rows

_AMOUNTS: Final = {
    "amount": "currency",
    "local_amount": "local_currency",
    "stripe_amount": "stripe_currency",
}
_PLACES: Final = tuple((NAMES.index(name), NAMES.index(of)) for name, of in _AMOUNTS.items())
CSV_NAMES: Final = (*NAMES, *(f"{name}_decimal" for name in _AMOUNTS))
"""The columns: the fields of a discrepancy, then its amounts in the major unit."""


def write_discrepancies_csv(found: Iterable[StoredDiscrepancy], out: TextIO, *, excel: bool) -> int:
    """Write discrepancies in their documented shape, and return how many. ``excel`` is as ``output.write_csv`` has it."""
    return write_csv_rows(CSV_NAMES, map(_cells, found), out, whole=True, excel=excel)


def _cells(found: StoredDiscrepancy) -> Sequence[object]:
    values = values_of(found)
    decimals = [_major(values[amount], values[currency]) for amount, currency in _PLACES]
    return (*values, *decimals)


def _major(amount: object, currency: object) -> object:
    is_money = isinstance(amount, int) and isinstance(currency, str)
    return as_major(amount, currency) if is_money else None  # type: ignore[arg-type]
