"""Turns untrusted values into text that may be shown: on a terminal, on a page, in CSV and in JSON.

Secrets are masked, and the text can control neither a terminal nor a spreadsheet.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal

from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.money import Money
from reconciler.masking import map_texts, may_hold_secret, redact, visible, visible_json

Quoting = Literal[0, 1]
"""csv.QUOTE_MINIMAL or csv.QUOTE_ALL."""
FORMULA_STARTS: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)
"""A spreadsheet runs a cell that begins with one of these; it reads the full-width signs like the others."""
_KEPT: Final = "\t\r\n"
"""Control characters that stay in a cell of CSV, which is quoted then."""
_MOST_CELL_BYTES: Final = 2000


def clean(text: str) -> str:
    """The text as it may be shown: its secrets masked, and its control characters escaped."""
    return visible(redact(text))


def cell_text(text: str, *, keep: str = "") -> str:
    """The text as a cell shows it: as ``clean`` makes it, and at most 2 kB of it. ``keep`` are characters that stay."""
    # masked first, because a part of a secret has no longer the shape of one
    masked = redact(text)
    shown = visible(masked[:_MOST_CELL_BYTES], keep=keep)
    encoded = shown.encode("utf-8", "surrogatepass")
    if len(masked) <= _MOST_CELL_BYTES and len(encoded) <= _MOST_CELL_BYTES:
        return shown
    note = f"… ({len(masked):,} characters)"
    room = _MOST_CELL_BYTES - len(note.encode())
    return encoded[:room].decode("utf-8", "ignore") + note


def whole_text(text: str, *, keep: str = "") -> str:
    """The text as ``cell_text`` shows it, however long it is."""
    return visible(redact(text), keep=keep)


def moment_text(moment: datetime | None) -> str:
    """A time as a person reads it: in UTC, to the second."""
    # a cut-off may come in the time zone of the books
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def money_text(money: Money) -> str:
    """An amount as a person reads it: in the major unit, with a separator of thousands, such as 12,345.67 EUR."""
    number, _, currency = str(money).partition(" ")
    whole, point, rest = number.lstrip("-").partition(".")
    # the sign stands apart: less than one unit has none in its whole part
    sign = "-" if money.amount < 0 else ""
    return f"{sign}{int(whole):,}{point}{rest} {currency}"


def as_plain(value: object) -> Any:
    """A value as JSON has it: a time as RFC 3339 in UTC, an enum as its value. Raises TypeError for any other type."""
    match value:
        case Mapping():
            return dict(value)
        case datetime():
            return rfc3339(value)
        case Enum():
            return value.value
        case Path():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def json_text(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """A value as JSON without secrets. Letters of every language stay as they are, unless ``ascii_only``."""

    def dumped(of: object) -> str:
        return json.dumps(of, ensure_ascii=ascii_only, default=as_plain, indent=indent)

    text = dumped(value)
    # a secret is rare, and to search each value for one is slow
    if may_hold_secret(text):
        text = dumped(map_texts(value, redact))
    return visible_json(text)


def csv_cells(values: Sequence[object], *, whole: bool = False) -> tuple[list[object], Quoting]:
    """The cells of one row, and how they have to be quoted."""
    cells = [_csv_cell(value, whole=whole) for value in values]
    # csv itself quotes a line feed, but not a carriage return, which also ends a line for some programs
    has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells)
    return cells, csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL


def _csv_cell(value: object, *, whole: bool) -> object:
    match value:
        case None:
            return ""
        # before int: a bool is an int in Python
        case bool():
            return "true" if value else "false"
        case Enum():
            return as_plain(value)
        case str():
            shown = whole_text(value, keep=_KEPT) if whole else cell_text(value, keep=_KEPT)
            return f"'{shown}" if shown.startswith(FORMULA_STARTS) else shown
        case int() | float() | Decimal():
            return value
        case Mapping() | list() | tuple():
            return json_text(value if whole else map_texts(value, cell_text))
        case _:
            return as_plain(value)
