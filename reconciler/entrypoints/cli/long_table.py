"""A table of any number of rows. Its widths need every row, so a long one waits in a file on disk, not in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from shutil import get_terminal_size
from tempfile import TemporaryFile
from typing import IO, Final

from reconciler.entrypoints.cli.cards import card_lines
from reconciler.entrypoints.cli.output import (
    WIDEST_PADDED,
    OutputColumn,
    Row,
    cell_text,
    write_table,
)

MOST_IN_MEMORY: Final = 1_000
"""Rows up to which a table is drawn as every other table is."""
_GAP: Final = "  "


def write_long_table(
    columns: Sequence[OutputColumn[Row]],
    rows: Iterable[Row],
    *,
    keep_all: bool = False,
    once: Sequence[str] = (),
) -> int:
    """Write a table as ``write_table`` does, and return the number of its rows. Memory does not grow with it.

    Empty columns are left out, and the columns named ``once`` if all rows have the same value, unless ``keep_all``.
    """
    remaining = iter(rows)
    first = list(islice(remaining, MOST_IN_MEMORY))
    following = list(islice(remaining, 1))
    if not following:
        shown = Shown(columns, keep_all=keep_all, once=once)
        for row in first:
            shown.add([column.text(row) for column in columns])
        if first:
            write_table([columns[n] for n in shown.positions()], first)
        return len(first)

    with TemporaryFile("w+", encoding="utf-8") as waiting:
        shown = Shown(columns, keep_all=keep_all, once=once)
        for row in chain(first, following, remaining):
            # the text is escaped before it is measured, because escapes are longer
            cells = [cell_text(column.text(row)) for column in columns]
            shown.add(cells)
            waiting.write(json.dumps(cells) + "\n")
        waiting.seek(0)
        _write(waiting, columns, shown)
    return shown.count


class Shown:
    """Which columns of a table are shown, and how wide they are, as its rows come."""

    def __init__(
        self, columns: Sequence[OutputColumn[Row]], *, keep_all: bool, once: Sequence[str]
    ) -> None:
        self._keep_all = keep_all
        self._once = [column.title in once for column in columns]
        self._first: Sequence[str] = ()
        self._varies = [False] * len(columns)
        self._filled = [False] * len(columns)
        self.widths = [len(column.title) for column in columns]
        self.count = 0

    def add(self, cells: Sequence[str]) -> None:
        """Take the cells of one more row into account."""
        if self.count == 0:
            self._first = cells
        self.count += 1
        for n, cell in enumerate(cells):
            self._filled[n] = self._filled[n] or bool(cell)
            self._varies[n] = self._varies[n] or cell != self._first[n]
            self.widths[n] = max(self.widths[n], len(cell))

    def positions(self) -> list[int]:
        """The positions of the columns that are shown."""
        return [
            n
            for n in range(len(self.widths))
            if self._keep_all or (self._filled[n] and (self._varies[n] or not self._once[n]))
        ]


def _write(waiting: IO[str], columns: Sequence[OutputColumn[Row]], shown: Shown) -> None:
    positions = shown.positions()
    titles = [columns[n].title for n in positions]
    widths = [min(shown.widths[n], WIDEST_PADDED) for n in positions]
    width = sum(widths) + len(_GAP) * len(widths)
    rows = _picked(waiting, positions)
    terminal_width, _ = get_terminal_size()
    if sys.stdout.isatty() and width > terminal_width:
        for number, cells in enumerate(rows):
            separator = "\n" if number else ""
            lines = "\n".join(card_lines(titles, [cells], terminal_width, 0))
            sys.stdout.write(f"{separator}{lines}\n")
        return
    right = [columns[n].right for n in positions]
    for cells in chain([[title.upper() for title in titles]], rows):
        padded = (
            cell.rjust(wide) if to_right else cell.ljust(wide)
            for cell, wide, to_right in zip(cells, widths, right, strict=True)
        )
        sys.stdout.write(_GAP.join(padded).rstrip() + "\n")


def _picked(waiting: IO[str], positions: Sequence[int]) -> Iterator[list[str]]:
    for line in waiting:
        cells = json.loads(line)
        yield [cells[n] for n in positions]
