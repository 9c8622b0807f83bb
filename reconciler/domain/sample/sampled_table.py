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
    value as a number and as a time, if ``sql`` gives text. ``is_unique`` is whether an index proves that no two rows
    share a value.
    """

    name: str
    kind: ValueKind
    sql: str | None = None
    number_sql: str | None = None
    time_sql: str | None = None
    is_unique: bool = False
    is_nullable: bool = True

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
