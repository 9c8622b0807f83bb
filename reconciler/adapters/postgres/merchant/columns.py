"""A column of the merchant's table: its type, what may be asked of it and how a time is read from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from psycopg import sql

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000}
_BYTES: Final = {"int2": 2, "int4": 4, "int8": 8}


class ColumnKind(Enum):
    """The types that we tell apart."""

    TEXT = "text"
    PADDED = "padded text"
    ENUM = "enum"
    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "floating point"
    UUID = "uuid"
    TIMESTAMPTZ = "timestamp with time zone"
    TIMESTAMP = "timestamp"
    DATE = "date"
    OTHER = "other"


_KINDS: Final = {
    "text": ColumnKind.TEXT,
    "varchar": ColumnKind.TEXT,
    "name": ColumnKind.TEXT,
    "bpchar": ColumnKind.PADDED,
    "int2": ColumnKind.INTEGER,
    "int4": ColumnKind.INTEGER,
    "int8": ColumnKind.INTEGER,
    "numeric": ColumnKind.NUMERIC,
    "float4": ColumnKind.FLOAT,
    "float8": ColumnKind.FLOAT,
    "uuid": ColumnKind.UUID,
    "timestamptz": ColumnKind.TIMESTAMPTZ,
    "timestamp": ColumnKind.TIMESTAMP,
    "date": ColumnKind.DATE,
}

# PostgreSQL's times reach further than Python's, and "infinity" is one of them: outside of this they are unknown.
# A thousand years of Python's are left, for horizons and deadlines are added to a time; and a year at the beginning.
_CREATED: Final = {
    ColumnKind.TIMESTAMPTZ: sql.SQL(
        "CASE WHEN {0} BETWEEN '0002-01-01' AND '8999-12-31' THEN {0} END"
    ),
    ColumnKind.TIMESTAMP: sql.SQL(
        "CASE WHEN {0} BETWEEN '0002-01-01' AND '8999-12-31' THEN {0} AT TIME ZONE 'UTC' END"
    ),
    ColumnKind.DATE: sql.SQL(
        "CASE WHEN {0} BETWEEN '0002-01-01' AND '8999-12-31' THEN {0}::timestamp AT TIME ZONE 'UTC' END"
    ),
}
_CREATED_NUMBER: Final = {
    "s": sql.SQL("CASE WHEN {0} BETWEEN -62104060800 AND 221845392000 THEN to_timestamp({0}) END"),
    "ms": sql.SQL(
        "CASE WHEN {0} BETWEEN -62104060800000 AND 221845392000000 THEN to_timestamp({0} / 1000.0) END"
    ),
}
_NOW: Final = {
    ColumnKind.TIMESTAMPTZ: sql.SQL("now()"),
    ColumnKind.TIMESTAMP: sql.SQL("now() AT TIME ZONE 'UTC'"),
    ColumnKind.DATE: sql.SQL("(now() AT TIME ZONE 'UTC')::date"),
}
_NOW_NUMBER: Final = {
    "s": sql.SQL("floor(extract(epoch FROM now()))"),
    "ms": sql.SQL("floor(extract(epoch FROM now()) * 1000)"),
}
_NUMBERS: Final = (ColumnKind.INTEGER, ColumnKind.NUMERIC, ColumnKind.FLOAT)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as the catalog has it. ``declared`` is the type in PostgreSQL's words, domains by their own name;
    ``type_schema`` and ``type_name`` are of the type beneath. ``length`` is the limit of a varchar or char."""

    name: str
    declared: str
    type_schema: str
    type_name: str
    category: str
    length: int | None
    members: tuple[str, ...]
    may_select: bool
    may_update: bool
    is_generated: bool = False
    is_nullable: bool = False

    @property
    def kind(self) -> ColumnKind:
        """What sort of type it has."""
        if self.members:
            return ColumnKind.ENUM
        known = _KINDS.get(self.type_name) if self.type_schema == "pg_catalog" else None
        if known is not None:
            return known
        return ColumnKind.TEXT if self.category == "S" else ColumnKind.OTHER

    @property
    def type(self) -> sql.Composable:
        """Its type, for a cast."""
        return sql.Identifier(self.type_schema, self.type_name)

    @property
    def identifier(self) -> sql.Composable:
        """Its name, in statements that call the table ``t``."""
        return sql.Identifier("t", self.name)

    def holds(self, value: str) -> bool:
        """Whether a string from outside can be compared with this column: a cast that fails fails the whole page."""
        if "\x00" in value:
            return False
        match self.kind:
            case ColumnKind.ENUM:
                return value in self.members
            case ColumnKind.INTEGER:
                # only as the column prints it: "007" is not its 7
                limit = 1 << (8 * _BYTES[self.type_name] - 1)
                return bool(re.fullmatch(r"0|-?[1-9][0-9]{0,18}", value)) and (
                    -limit <= int(value) < limit
                )
            case ColumnKind.NUMERIC:
                return bool(re.fullmatch(r"-?[0-9]{1,100}(\.[0-9]{1,100})?", value))
            case ColumnKind.UUID:
                return _is_uuid(value)
            case _:
                return True

    def created(self, unit: Literal["s", "ms"] | None) -> sql.Composable:
        """The expression that reads it as a time with a zone."""
        form = _CREATED[self.kind] if unit is None else _CREATED_NUMBER[unit]
        return form.format(self.identifier)

    def now(self, unit: Literal["s", "ms"] | None) -> sql.Composable:
        """The expression for the present in its type."""
        return _NOW[self.kind] if self.kind in _NOW or unit is None else _NOW_NUMBER[unit]

    def is_time(self, unit: Literal["s", "ms"] | None) -> bool:
        """Whether it can be read as a time with this unit."""
        return self.kind in _CREATED if unit is None else self.kind in _NUMBERS

    def bound(
        self, moment: datetime, unit: Literal["s", "ms"] | None
    ) -> datetime | date | int | Decimal:
        """The smallest value of the column that is not before a moment: times before it are below, others are not."""
        moment = moment.astimezone(UTC)
        if unit is not None:
            microseconds = (moment - EPOCH) // timedelta(microseconds=1)
            if self.kind is ColumnKind.INTEGER:
                return -(-microseconds // _MICROSECONDS[unit])
            return Decimal(microseconds) / _MICROSECONDS[unit]
        match self.kind:
            case ColumnKind.DATE:
                midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
                return (midnight if midnight == moment else midnight + timedelta(days=1)).date()
            case ColumnKind.TIMESTAMP:
                return moment.replace(tzinfo=None)
            case _:
                return moment

    def bound_type(self) -> sql.Composable:
        """The type to cast a bound to: it must hold every bound, and serve the column's index."""
        return sql.SQL("pg_catalog.int8") if self.kind is ColumnKind.INTEGER else self.type


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False
