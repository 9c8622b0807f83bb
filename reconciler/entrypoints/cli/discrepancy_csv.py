"""Discrepancies as CSV for people: each amount also as a decimal number in the major unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from reconciler.domain.money import as_major
from reconciler.entrypoints.cli.discrepancy_fields import NAMES
from reconciler.entrypoints.cli.output import write_csv

_AMOUNTS: Final = {
    "amount": "currency",
    "local_amount": "local_currency",
    "stripe_amount": "stripe_currency",
}
CSV_NAMES: Final = (*NAMES, *(f"{name}_decimal" for name in _AMOUNTS))
"""The columns: the fields of a discrepancy, then its amounts in the major unit."""


def write_discrepancies_csv(
    found: Iterable[Mapping[str, object]], out: TextIO, *, excel: bool
) -> int:
    """Write discrepancies in their documented shape, and return how many. ``excel`` is as ``output.write_csv`` has it."""
    return write_csv(CSV_NAMES, map(_with_decimals, found), out, whole=True, excel=excel)


def _with_decimals(found: Mapping[str, object]) -> Mapping[str, object]:
    decimals: dict[str, object] = {}
    for name, of_currency in _AMOUNTS.items():
        amount, currency = found[name], found[of_currency]
        is_money = isinstance(amount, int) and isinstance(currency, str)
        decimals[f"{name}_decimal"] = as_major(amount, currency) if is_money else None  # type: ignore[arg-type]
    return {**found, **decimals}
