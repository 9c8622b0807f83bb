"""Writes xlsx workbooks row by row: memory does not grow with their size, and a sheet that is full goes on in another one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from xlsxwriter import Workbook as XlsxWorkbook  # type: ignore[import-untyped]
from xlsxwriter.exceptions import XlsxFileError  # type: ignore[import-untyped]

from reconciler.domain.money import Money, as_major, decimals
from reconciler.entrypoints.shown_text import cell_text, money_text, whole_text
from reconciler.errors import UsageError

MOST_ROWS: Final = 1_048_576
"""The rows of a sheet in this format."""
_MOST_CHARACTERS: Final = 32_767
"""A cell of a workbook has no room for more."""
_MOST_DIGITS: Final = 15
"""A spreadsheet keeps no more digits of a number, so a longer amount is text."""

Cell = str | int | Decimal | Money | datetime | date | None
"""An amount of money becomes a number in the major unit with the currency's decimals; a time is in UTC."""


class Sheet:
    """A table of a workbook. It goes on in sheets with a number behind the name if it has too many rows."""

    def __init__(self, book: Workbook, name: str, titles: Sequence[str]) -> None:
        self._book = book
        self._name = name
        self._titles = titles
        self._parts = 0
        self._row = 0
        self._sheet: Any = None
        self._begin()

    def _begin(self) -> None:
        self._parts += 1
        name = self._name if self._parts == 1 else f"{self._name} {self._parts}"
        self._sheet = self._book.file.add_worksheet(name[:31])
        self._sheet.freeze_panes(1, 0)
        for column, title in enumerate(self._titles):
            self._sheet.set_column(column, column, max(12, len(title) + 2))
        self._row = 0
        self._write(self._titles, self._book.bold)

    def add(self, row: Sequence[Cell], *, whole: bool = False) -> None:
        """Add a row. A long text is cut unless it is to be ``whole``."""
        if self._row >= self._book.most_rows:
            self._begin()
        self._write(row, None, whole=whole)

    def _write(self, row: Sequence[Cell], shape: Any, *, whole: bool = False) -> None:
        sheet, at = self._sheet, self._row
        for column, value in enumerate(row):
            match value:
                case None | "":
                    continue
                case Money():
                    self._write_money(at, column, value)
                case datetime():
                    # a spreadsheet knows no zones
                    moment = value.astimezone(UTC).replace(tzinfo=None)
                    sheet.write_datetime(at, column, moment, self._book.moment)
                case date():
                    sheet.write_datetime(at, column, value, self._book.day)
                case int() | Decimal():
                    sheet.write_number(at, column, value, shape)
                case str():
                    # never write(): it would turn a text into a formula, a link or a number
                    shown = whole_text(value, keep="\n") if whole else cell_text(value, keep="\n")
                    sheet.write_string(at, column, shown[:_MOST_CHARACTERS], shape)
        self._row += 1

    def _write_money(self, at: int, column: int, money: Money) -> None:
        if len(str(abs(money.amount))) > _MOST_DIGITS:
            self._sheet.write_string(at, column, money_text(money))
            return
        shape = self._book.money(decimals(money.currency))
        self._sheet.write_number(at, column, as_major(money.amount, money.currency), shape)


class Workbook:
    """A workbook that is written to a file; use it in a with block. ``most_rows`` is the row limit of a sheet.

    Raises UsageError if the file cannot be written.
    """

    def __init__(self, path: Path, most_rows: int = MOST_ROWS) -> None:
        self.most_rows = most_rows
        self._path = path
        try:
            # the library would find out at the end
            path.open("wb").close()
        except OSError as error:
            raise self._not_written(error.strerror) from None
        self.file = XlsxWorkbook(
            str(path),
            {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
        )
        self.bold = self.file.add_format({"bold": True, "bottom": 1})
        self.moment = self.file.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.day = self.file.add_format({"num_format": "yyyy-mm-dd"})
        self._money: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.file.close()
        except (OSError, XlsxFileError) as failed:
            if error is None:
                raise self._not_written(str(failed)) from None

    def _not_written(self, why: str | None) -> UsageError:
        return UsageError(
            f"{self._path} cannot be written ({why}).", "Name another file with --output."
        )

    def sheet(self, name: str, titles: Sequence[str]) -> Sheet:
        """Add a table. The tables are written one after the other."""
        return Sheet(self, name, titles)

    def money(self, places: int) -> Any:
        """The format of an amount with so many decimals."""
        if places not in self._money:
            digits = f".{'0' * places}" if places else ""
            self._money[places] = self.file.add_format({"num_format": f"#,##0{digits}"})
        return self._money[places]
