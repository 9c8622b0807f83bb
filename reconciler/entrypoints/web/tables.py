"""Tables of the pages: each is shown on a page, and downloads as CSV with exact values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

from reconciler.domain.money import Money, as_major
from reconciler.entrypoints.shown_text import csv_cells, moment_text, money_text
from reconciler.entrypoints.statement_files.workbook import Cell as WorkbookCell
from reconciler.entrypoints.statement_files.workbook import Workbook

Row = TypeVar("Row")
_ROWS_AT_ONCE: Final = 500
BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it Excel reads a UTF-8 file in the machine's old encoding."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as a page shows it. ``tone`` is a class of the style sheet; ``note`` is a second, smaller line."""

    text: str
    href: str | None = None
    tone: str | None = None
    note: str | None = None


@dataclass(frozen=True)  # slots and Generic cannot be combined in Python 3.11
class Column(Generic[Row]):
    """A column: its title, its cell, and the values that it has in a file, each under a name."""

    title: str
    cell: Callable[[Row], Cell]
    values: Mapping[str, Callable[[Row], object]]
    is_number: bool = False


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table of a page. ``all_rows`` gives every row for a file, if the page shows only a part of them."""

    name: str
    caption: str
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    empty: str = "Nothing to show."
    all_rows: Callable[[], AbstractContextManager[Iterator[Row]]] | None = field(default=None)
    row_id: Callable[[Row], int] | None = field(default=None)
    """The number of a row for a choice, None if rows are not chosen."""
    is_whole: bool = False
    """A file has its texts whole. Else a long text is cut: a stranger may have written it at Stripe."""

    def cells(self) -> Iterator[list[tuple[Column[Row], Cell]]]:
        """The cells of each row with their columns."""
        for row in self.rows:
            yield [(column, column.cell(row)) for column in self.columns]

    def csv_parts(self) -> Iterator[str]:
        """The whole table as CSV in UTF-8, in parts."""
        yield BYTE_ORDER_MARK
        if self.all_rows is None:
            yield from self._csv_of(self.rows)
            return
        with self.all_rows() as rows:
            yield from self._csv_of(rows)

    def write_workbook(self, path: Path) -> None:
        """Write the whole table as a workbook, with real numbers and times."""
        values = [item for column in self.columns for item in column.values.items()]
        with Workbook(path) as book:
            sheet = book.sheet(self.name, [name for name, _ in values])
            if self.all_rows is None:
                for row in self.rows:
                    sheet.add([_sheet_cell(value(row)) for _, value in values], whole=self.is_whole)
                return
            with self.all_rows() as rows:
                for row in rows:
                    sheet.add([_sheet_cell(value(row)) for _, value in values], whole=self.is_whole)

    def _csv_of(self, rows: Iterable[Row]) -> Iterator[str]:
        values = [item for column in self.columns for item in column.values.items()]
        part = io.StringIO()
        writers = {
            quoting: csv.writer(part, lineterminator="\r\n", quoting=quoting)
            for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
        }
        writers[csv.QUOTE_MINIMAL].writerow([name for name, _ in values])
        for number, row in enumerate(rows, start=1):
            cells, quoting = csv_cells(
                [_plain(value(row)) for _, value in values], whole=self.is_whole
            )
            writers[quoting].writerow(cells)
            if number % _ROWS_AT_ONCE == 0:
                yield part.getvalue()
                part.seek(0)
                part.truncate()
        yield part.getvalue()


def _sheet_cell(value: object) -> WorkbookCell:
    """A value as a workbook takes it."""
    if value is None or isinstance(value, int | Decimal | datetime | date):
        return value
    return str(value)


def _plain(value: object) -> object:
    return (
        value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
    )


def _name(title: str) -> str:
    return title.lower().replace(" ", "_").replace("'", "")


def text_column(
    title: str,
    text: Callable[[Row], str | None],
    *,
    href: Callable[[Row], str | None] | None = None,
    tone: Callable[[Row], str | None] | None = None,
    note: Callable[[Row], str | None] | None = None,
) -> Column[Row]:
    """A column of texts, each perhaps with a link, a tone and a second line."""

    def cell(row: Row) -> Cell:
        return Cell(
            text(row) or "",
            href=None if href is None else href(row),
            tone=None if tone is None else tone(row),
            note=None if note is None else note(row),
        )

    return Column(title, cell, {_name(title): text})


def number_column(title: str, number: Callable[[Row], int | None]) -> Column[Row]:
    """A column of counts."""

    def cell(row: Row) -> Cell:
        found = number(row)
        return Cell("" if found is None else f"{found:,}")

    return Column(title, cell, {_name(title): number}, is_number=True)


def moment_column(title: str, moment: Callable[[Row], datetime | None]) -> Column[Row]:
    """A column of times: in UTC, to the minute on the page and exactly in a file."""

    def cell(row: Row) -> Cell:
        found = moment(row)
        return Cell("" if found is None else moment_text(found)[:16])

    return Column(title, cell, {_name(title): moment})


def money_column(title: str, money: Callable[[Row], Money | None]) -> Column[Row]:
    """A column of amounts: as a decimal number, in minor units, and with the currency in a file."""

    def cell(row: Row) -> Cell:
        found = money(row)
        return Cell("" if found is None else money_text(found))

    def part(of: Callable[[Money], object]) -> Callable[[Row], object]:
        def value(row: Row) -> object:
            found = money(row)
            return None if found is None else of(found)

        return value

    name = _name(title)
    values: Mapping[str, Callable[[Row], object]] = {
        name: part(lambda one: as_major(one.amount, one.currency)),
        f"{name}_minor_units": part(lambda one: one.amount),
        f"{name}_currency": part(lambda one: one.currency.upper()),
    }
    return Column(title, cell, values, is_number=True)


def with_value(target: str, name: str, value: str) -> str:
    """An address with one more value in its query; an earlier value of this name is gone."""
    path, _, query = target.partition("?")
    pairs = [(key, item) for key, item in parse_qsl(query) if key != name]
    return f"{path}?{urlencode([*pairs, (name, value)])}"


def address(path: str, **values: object) -> str:
    """A path with a query; values that are None are left out, and a list repeats its name."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None or value == "":
            continue
        items = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, str(item)) for item in items]
    return f"{path}?{urlencode(pairs)}" if pairs else path
