"""Answers on standard output: tables for people, aligned text for pipes, JSON and CSV for programs."""

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
from typing import Any, Final, Generic, TextIO, TypeVar

from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.money import Money
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.masking import redact

Row = TypeVar("Row")
_GAP: Final = "   "
"""What stands between two columns of a drawn table, at most."""
_FORMULA: Final = ("=", "+", "-", "@")
_CHECK_CONFIGURATION: Final = "Correct the configuration, and check it with: reconciler doctor"


@dataclass(frozen=True)  # slots and Generic do not go together in Python 3.11
class OutputColumn(Generic[Row]):
    """A column of a table: its title, and the text that a row has in it."""

    title: str
    text: Callable[[Row], str]
    right: bool = False


def clean(text: str) -> str:
    """The text without control characters: what Stripe or a database holds must not steer a terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def moment_text(moment: datetime | None) -> str:
    """A time for a person: UTC, to the second."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def money_text(money: Money) -> str:
    """An amount for a person, in the major unit with thousands set apart."""
    number, _, currency = str(money).partition(" ")
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest} {currency}"


def as_plain(value: object) -> Any:
    """A value as JSON has it: times as RFC 3339 in UTC, enums by their value. Money stays whole minor units."""
    match value:
        case datetime():
            return rfc3339(value)
        case Enum():
            return value.value
        case Path():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON in plain UTF-8."""
    return json.dumps(value, ensure_ascii=False, default=as_plain, indent=indent)


def write_json(value: object) -> None:
    """One value on standard output: indented for a terminal, on one line for a program."""
    out = sys.stdout
    out.write(json_text(value, indent=2 if out.isatty() else None) + "\n")


def write_json_array(values: Iterable[Mapping[str, object]]) -> None:
    """An array on standard output, an element a line, without keeping them all."""
    out = sys.stdout
    out.write("[")
    for number, value in enumerate(values):
        out.write(("," if number else "") + "\n" + json_text(value))
    out.write("\n]\n")


def write_csv(names: Sequence[str], rows: Iterable[Mapping[str, object]], out: TextIO) -> int:
    """Rows as CSV with a heading; returns how many. A text that a spreadsheet would run gets an apostrophe in front."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    count = 0
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])
        count += 1
    return count


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case str() | int() | float():
            return value
        case Mapping() | list() | tuple():
            return json_text(value)
        case _:
            return as_plain(value)


def write_table(
    columns: Sequence[OutputColumn[Row]], rows: Iterable[Row], *, indent: int = 0
) -> None:
    """A table on standard output: drawn where it fits a terminal, else aligned by spaces. Nothing is cut off or folded."""
    cells = [[clean(column.text(row)) for column in columns] for row in rows]
    titles = [column.title for column in columns]
    widths = [max(map(len, place)) for place in zip(titles, *cells, strict=True)]
    if sys.stdout.isatty():
        columns_of_terminal, _ = get_terminal_size()
        if sum(widths) + len(_GAP) * len(widths) <= columns_of_terminal:
            _draw(columns, cells)
            return
    for line in [[title.upper() for title in titles], *cells]:
        fitted = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        sys.stdout.write(" " * indent + "  ".join(fitted).rstrip() + "\n")


def filled(columns: Sequence[OutputColumn[Row]], rows: Sequence[Row]) -> list[OutputColumn[Row]]:
    """The columns that have something in them."""
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
        table.add_row(*(Text(cell) for cell in line))
    Console(file=sys.stdout).print(table)


def write_line(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(clean(text) + "\n")


def write_pairs(pairs: Sequence[tuple[str, str]], *, indent: int = 2) -> None:
    """Names and values, one pair a line, the values in one column. Pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        write_line(f"{' ' * indent}{name.ljust(width)}  {value}")


def warn(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(clean(text) + "\n")


def warn_of(error: ReconcilerError, about: str = "") -> None:
    """What failed on standard error, and on a line of its own ``hint:`` what to do. ``about`` is what it was about.

    A configuration with several faults is shown as a list, each fault with its own hint.
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
