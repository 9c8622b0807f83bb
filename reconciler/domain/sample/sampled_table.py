"""Some rows of a table with all columns as text, before it is known what any column means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ValueKind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TIME = "time"
    """The values are seconds since 1970, as text."""


@dataclass(frozen=True, slots=True)
class SampledColumn:
    """A column, or an SQL text over the row ``t`` that stands for one.

    ``name`` is for a person. ``sql`` is None for a column. ``number_sql`` and ``time_sql`` are texts that give the same
    value as a number and as a time, if ``sql`` gives text. ``other_table`` is the quoted name of another table that
    ``sql`` reads, None if it reads the row alone. ``is_unique`` is whether an index proves that no two rows
    share a value, ``leads_unique`` whether the column is the first of several in such an index. ``is_of_list`` is whether
    it is the last element of a list, ``is_of_text`` whether it is an id inside a longer text.
    """

    name: str
    kind: ValueKind
    sql: str | None = None
    number_sql: str | None = None
    time_sql: str | None = None
    other_table: str | None = None
    is_unique: bool = False
    is_nullable: bool = True
    leads_unique: bool = False
    is_of_list: bool = False
    is_of_text: bool = False

    @property
    def reference(self) -> str:
        """How an SQL text names it."""
        return reference(self.name) if self.sql is None else self.sql


@dataclass(frozen=True, slots=True)
class SampledTable:
    """The rows that were sampled, each with one value for each column. ``name`` is ``schema.table``."""

    name: str
    columns: tuple[SampledColumn, ...]
    rows: tuple[tuple[str | None, ...], ...]

    def values(self, column: SampledColumn) -> list[str | None]:
        """The values of a column, by row."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def with_rows_of(self, other: SampledTable) -> SampledTable:
        """This sample with the rows of another sample of the same table that it does not have yet.

        A document's keys differ from row to row, so the columns are matched by name.
        """
        places: list[int | None] = []
        for column in self.columns:
            same = [
                place
                for place, one in enumerate(other.columns)
                # a time is written as seconds only if all values of the sample are times
                if one.name == column.name
                and (one.kind is ValueKind.TIME) is (column.kind is ValueKind.TIME)
            ]
            places.append(same[0] if same else None)
        added = (
            tuple(None if place is None else row[place] for place in places) for row in other.rows
        )
        rows = tuple(dict.fromkeys((*self.rows, *added)))
        return SampledTable(self.name, self.columns, rows)

    def present(self, column: SampledColumn) -> list[str]:
        """The values of a column without nulls and blanks."""
        return [value for value in self.values(column) if value is not None and value.strip()]


_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


def reference(column: str) -> str:
    """A column of the row ``t``, as an SQL text names it."""
    if _PLAIN.fullmatch(column):
        return f"t.{column}"
    doubled = column.replace('"', '""')
    return f't."{doubled}"'


def literal(text: str) -> str:
    """A text as an SQL text writes it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
