"""Writes results to standard output (tables, aligned text, JSON, CSV), and errors to standard error.

What is written may come from the merchant's columns, from Stripe or from a database that a person has changed. Secrets
in it are masked, and it can control neither a terminal nor a spreadsheet.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Final, Generic, Literal, TextIO, TypeVar

from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.money import Money
from reconciler.entrypoints.cli.cards import card_lines
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.masking import map_texts, may_hold_secret, redact, visible, visible_json

Row = TypeVar("Row")
Quoting = Literal[0, 1]
"""csv.QUOTE_MINIMAL or csv.QUOTE_ALL."""
_GAP: Final = "   "
"""The most that rich draws between two columns."""
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
_MOST_LINE_CHARACTERS: Final = 8000
_WIDEST_PADDED: Final = 260
"""A wider cell does not widen its column. Ids of Stripe have 255 characters at most."""
_SEVERITY_STYLES: Final = {"critical": "bold red", "warning": "yellow"}
"""rich leaves colours out if NO_COLOR is set; the word says the severity without them."""
_CHECK_CONFIGURATION: Final = "Correct the configuration, and check it with: reconciler doctor"


@dataclass(frozen=True)  # slots and Generic cannot be combined in Python 3.11
class OutputColumn(Generic[Row]):
    """A column of a table: its title, and the function that gives a row's text. ``right`` aligns it to the right."""

    title: str
    text: Callable[[Row], str]
    right: bool = False


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


def moment_text(moment: datetime | None) -> str:
    """A time as a person reads it: in UTC, to the second."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


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


def takes_ascii_only(out: TextIO) -> bool:
    """The stream cannot write every character, as in a session without a UTF-8 locale."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return not encoding.lower().replace("-", "").replace("_", "").startswith("utf")


def write_json(value: object) -> None:
    """Write one value to standard output: indented on a terminal, on one line elsewhere."""
    out = sys.stdout
    indent = 2 if out.isatty() else None
    out.write(json_text(value, indent=indent, ascii_only=takes_ascii_only(out)) + "\n")


def write_json_array(values: Iterable[Mapping[str, object]]) -> None:
    """Write an array to standard output, one element a line. Memory does not grow with their number."""
    out = sys.stdout
    ascii_only = takes_ascii_only(out)
    out.write("[")
    for number, value in enumerate(values):
        out.write(("," if number else "") + "\n" + json_text(value, ascii_only=ascii_only))
    out.write("\n]\n")


def write_csv(
    names: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    out: TextIO,
    *,
    whole: bool = False,
) -> int:
    """Write rows as CSV with a header, and return how many. A text that a spreadsheet would run gets an apostrophe.

    A text has at most 2 kB, unless the cells are to be ``whole``.
    """
    writers = {
        quoting: csv.writer(out, lineterminator="\n", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    }
    writers[csv.QUOTE_MINIMAL].writerow(names)
    count = 0
    for row in rows:
        cells, quoting = csv_cells([row[name] for name in names], whole=whole)
        writers[quoting].writerow(cells)
        count += 1
    return count


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
            shown = visible(redact(value), keep=_KEPT) if whole else cell_text(value, keep=_KEPT)
            return f"'{shown}" if shown.startswith(FORMULA_STARTS) else shown
        case int() | float():
            return value
        case Mapping() | list() | tuple():
            return json_text(value if whole else map_texts(value, cell_text))
        case _:
            return as_plain(value)


def write_table(
    columns: Sequence[OutputColumn[Row]], rows: Iterable[Row], *, indent: int = 0
) -> None:
    """Write a table to standard output: drawn on a terminal, or as cards if it does not fit; in a pipe, aligned with spaces.

    No id is cut off or broken, so that it can be copied.
    """
    # the text is escaped before it is measured, because escapes are longer
    cells = [[cell_text(column.text(row)) for column in columns] for row in rows]
    titles = [column.title for column in columns]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]

    if sys.stdout.isatty():
        terminal_width, _ = get_terminal_size()
        if sum(widths) + len(_GAP) * len(widths) <= terminal_width:
            _draw(columns, cells)
        else:
            for text in card_lines(titles, cells, terminal_width, indent):
                sys.stdout.write(text + "\n")
        return

    for line in [[title.upper() for title in titles], *cells]:
        padded = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(
                line, (min(width, _WIDEST_PADDED) for width in widths), columns, strict=True
            )
        ]
        sys.stdout.write(" " * indent + "  ".join(padded).rstrip() + "\n")


def non_empty(columns: Sequence[OutputColumn[Row]], rows: Sequence[Row]) -> list[OutputColumn[Row]]:
    """The columns that have a text in at least one row."""
    return [column for column in columns if any(column.text(row) for row in rows)]


def _draw(columns: Sequence[OutputColumn[Row]], cells: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for line in cells:
        # a Text is not parsed for rich's markup, which data may contain
        table.add_row(*(Text(cell, style=_SEVERITY_STYLES.get(cell, "")) for cell in line))
    Console(file=sys.stdout).print(table)


def write_line(text: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(_line(text) + "\n")


def _line(text: str) -> str:
    shown = clean(text)
    if len(shown) <= _MOST_LINE_CHARACTERS:
        return shown
    return f"{shown[:_MOST_LINE_CHARACTERS]}… ({len(shown):,} characters)"


def write_pairs(pairs: Sequence[tuple[str, str]], *, indent: int = 2) -> None:
    """Write names and values, one pair a line, with the values aligned. A pair without a value is left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        write_line(f"{' ' * indent}{name.ljust(width)}  {cell_text(value)}")


def warn(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(_line(text) + "\n")


def warn_of_error(error: ReconcilerError, about: str = "") -> None:
    """Write to standard error what failed, and on a line of its own the hint. ``about`` names the account.

    A configuration with several faults is a list, each fault with its own hint.
    """
    name = f"reconciler: {about}: " if about else "reconciler: "
    if not isinstance(error, ConfigurationError):
        _warn_lines(name, error.what, error.hint)
        return

    if len(error.faults) == 1:
        fault = error.faults[0]
        _warn_lines(name, fault.what, fault.hint or _CHECK_CONFIGURATION)
        return

    warn(f"{name}the configuration has {len(error.faults)} faults:")
    for fault in error.faults:
        _warn_lines("  ", fault.what, fault.hint, indent="    ")
    warn(f"hint: {_CHECK_CONFIGURATION}")


def _warn_lines(name: str, what: str, hint: str, *, indent: str = "") -> None:
    # a secret may be in what failed, such as a URL with a password
    for line in redact(what).splitlines():
        warn(name + line)
    if hint:
        warn(f"{indent}hint: {' '.join(redact(hint).split())}")
