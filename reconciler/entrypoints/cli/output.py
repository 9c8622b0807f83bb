"""Writes results to standard output (tables, aligned text, JSON, CSV), and errors to standard error.

What is written may come from the merchant's columns, from Stripe or from a database that a person has changed. Secrets
in it are masked, and it can control neither a terminal nor a spreadsheet.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from shutil import get_terminal_size
from typing import Final, Generic, TextIO, TypeVar

from reconciler.entrypoints.cli.cards import card_lines
from reconciler.entrypoints.cli.word_wrap import wrapped
from reconciler.entrypoints.quick_text import csv_line
from reconciler.entrypoints.shown_text import (
    FORMULA_STARTS,
    as_plain,
    cell_text,
    clean,
    csv_cells,
    json_text,
    moment_text,
    money_text,
)
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.masking import redact

__all__ = ["FORMULA_STARTS", "as_plain", "cell_text", "csv_cells", "json_text", "moment_text", "money_text"]  # fmt: skip
"""What the commands take from here beside the functions of this module."""
Row = TypeVar("Row")
UTF8_MARK: Final = "\ufeff"
"""A spreadsheet takes a file for UTF-8 if it begins with this."""
_GAP: Final = "   "
"""The most that rich draws between two columns."""
_MOST_LINE_CHARACTERS: Final = 8000
WIDEST_PADDED: Final = 260
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
    excel: bool = False,
) -> int:
    """Write rows as CSV with a header, and return how many. A text that a spreadsheet would run gets an apostrophe.

    A text has at most 2 kB, unless the cells are to be ``whole``. ``excel`` is for a spreadsheet where the decimal comma
    is usual: a mark of UTF-8 first, semicolons between the cells, and a comma in decimal numbers.
    """
    cells = ([row[name] for name in names] for row in rows)
    return write_csv_rows(names, cells, out, whole=whole, excel=excel)


def write_csv_rows(
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    out: TextIO,
    *,
    whole: bool = False,
    excel: bool = False,
) -> int:
    """As ``write_csv``, of rows that have a value for each of the names, in their order."""
    if excel:
        out.write(UTF8_MARK)
    delimiter = ";" if excel else ","
    writers = {
        quoting: csv.writer(out, lineterminator="\n", quoting=quoting, delimiter=delimiter)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    }
    writers[csv.QUOTE_MINIMAL].writerow(names)
    count = 0
    for values in rows:
        count += 1
        line = csv_line(values, delimiter, decimal_comma=excel) if whole else None
        if line is not None:
            out.write(f"{line}\n")
            continue
        cells, quoting = csv_cells(values, whole=whole)
        if excel:
            cells = [str(one).replace(".", ",") if type(one) is Decimal else one for one in cells]
        writers[quoting].writerow(cells)
    return count


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
        if indent + sum(widths) + len(_GAP) * len(widths) <= terminal_width:
            _draw(columns, cells, indent)
        else:
            _write_cards(titles, cells, terminal_width, indent)
        return

    for line in [[title.upper() for title in titles], *cells]:
        padded = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(
                line, (min(width, WIDEST_PADDED) for width in widths), columns, strict=True
            )
        ]
        sys.stdout.write(" " * indent + "  ".join(padded).rstrip() + "\n")


def non_empty(columns: Sequence[OutputColumn[Row]], rows: Sequence[Row]) -> list[OutputColumn[Row]]:
    """The columns that have a text in at least one row."""
    return [column for column in columns if any(column.text(row) for row in rows)]


def _draw(
    columns: Sequence[OutputColumn[Row]], cells: Sequence[Sequence[str]], indent: int
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
    for line in cells:
        # a Text is not parsed for rich's markup, which data may contain
        table.add_row(*(Text(cell, style=_SEVERITY_STYLES.get(cell, "")) for cell in line))
    Console(file=sys.stdout).print(Padding(table, (0, 0, 0, indent), expand=False))


def _write_cards(
    titles: Sequence[str], cells: Sequence[Sequence[str]], width: int, indent: int
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout)
    for line in card_lines(titles, cells, width, indent):
        style = _SEVERITY_STYLES.get(line.split()[-1] if line else "", "")
        # only the severity's own line is coloured; rich would break the others in its own way
        if style and line.split()[0] == "severity":
            console.print(Text(line, style=style), no_wrap=True, crop=False, overflow="ignore")
        else:
            sys.stdout.write(line + "\n")


def write_line(text: str = "") -> None:
    """Write a line to standard output; on a terminal it is broken between words."""
    _write_wrapped(sys.stdout, _line(text))


def write_lines(out: TextIO, lines: Iterable[str]) -> None:
    """Write lines that may be shown as they are; on a terminal each is broken between words."""
    for line in lines:
        _write_wrapped(out, line)


def _write_wrapped(out: TextIO, line: str) -> None:
    if not out.isatty():
        out.write(line + "\n")
        return
    terminal_width, _ = get_terminal_size()
    out.writelines(part + "\n" for part in wrapped(line, terminal_width))


def _line(text: str) -> str:
    shown = clean(text)
    if len(shown) <= _MOST_LINE_CHARACTERS:
        return shown
    return f"{shown[:_MOST_LINE_CHARACTERS]}… ({len(shown):,} characters)"


def write_pairs(pairs: Sequence[tuple[str, str]], *, indent: int = 2) -> None:
    """Write names and values, one pair a line, with the values aligned. A pair without a value is left out."""
    shown = [(name, cell_text(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    terminal_width = get_terminal_size().columns if sys.stdout.isatty() else None
    for name, value in shown:
        line = f"{' ' * indent}{name.ljust(width)}  {value}"
        if terminal_width is None or len(line) <= terminal_width:
            write_line(line)
            continue
        for part in card_lines((name.ljust(width),), ((value,),), terminal_width, indent):
            sys.stdout.write(part + "\n")


def warn(text: str) -> None:
    """Write a line to standard error; on a terminal it is broken between words."""
    _write_wrapped(sys.stderr, _line(text))


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
