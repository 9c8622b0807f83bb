"""What PostgreSQL's catalog says of the merchant's table: its kind, its columns, its indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["merchant"]
_DOING: Final = "reading the table's columns from PostgreSQL's catalog"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000}
_BYTES: Final = {"int2": 2, "int4": 4, "int8": 8}


class RelationKind(Enum):
    """What a name in the catalog stands for, by PostgreSQL's own letter."""

    TABLE = "r"
    PARTITIONED = "p"
    VIEW = "v"
    MATERIALIZED = "m"
    FOREIGN = "f"


class ColumnKind(Enum):
    """The kinds of column type that Reconciler treats differently."""

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
    BOOLEAN = "boolean"
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
    "bool": ColumnKind.BOOLEAN,
}

# PostgreSQL's times reach further than Python's, and "infinity" is one of them: a time outside of these bounds is
# unknown. A thousand of Python's years are left, because horizons and deadlines are added to a time; and the first year.
_BETWEEN: Final = (
    "CASE WHEN {0} OPERATOR(pg_catalog.>=) '0002-01-01'::pg_catalog.%(type)s"
    " AND {0} OPERATOR(pg_catalog.<=) '8999-12-31'::pg_catalog.%(type)s THEN %(time)s END"
)
_CREATED: Final = {
    ColumnKind.TIMESTAMPTZ: sql.SQL(_BETWEEN % {"type": "timestamptz", "time": "{0}"}),
    ColumnKind.TIMESTAMP: sql.SQL(
        _BETWEEN % {"type": "timestamp", "time": "{0} AT TIME ZONE 'UTC'"}
    ),
    ColumnKind.DATE: sql.SQL(
        _BETWEEN % {"type": "date", "time": "{0}::pg_catalog.timestamp AT TIME ZONE 'UTC'"}
    ),
}
_CREATED_NUMBER: Final = {
    "s": sql.SQL(
        "CASE WHEN {0} OPERATOR(pg_catalog.>=) -62104060800 AND {0} OPERATOR(pg_catalog.<=) 221845392000"
        " THEN pg_catalog.to_timestamp({0}) END"
    ),
    "ms": sql.SQL(
        "CASE WHEN {0} OPERATOR(pg_catalog.>=) -62104060800000 AND {0} OPERATOR(pg_catalog.<=) 221845392000000"
        " THEN pg_catalog.to_timestamp({0} OPERATOR(pg_catalog./) 1000.0) END"
    ),
}
_NOW: Final = {
    ColumnKind.TIMESTAMPTZ: sql.SQL("pg_catalog.now()"),
    ColumnKind.TIMESTAMP: sql.SQL("pg_catalog.now() AT TIME ZONE 'UTC'"),
    ColumnKind.DATE: sql.SQL("(pg_catalog.now() AT TIME ZONE 'UTC')::pg_catalog.date"),
}
_NOW_NUMBER: Final = {
    "s": sql.SQL("pg_catalog.floor(extract(epoch FROM pg_catalog.now()))"),
    "ms": sql.SQL(
        "pg_catalog.floor(extract(epoch FROM pg_catalog.now()) OPERATOR(pg_catalog.*) 1000)"
    ),
}
TIMESTAMPS: Final = tuple(_CREATED)
"""The kinds that are a time or date by their type."""
NUMBERS: Final = (ColumnKind.INTEGER, ColumnKind.NUMERIC, ColumnKind.FLOAT)
"""The kinds that can count the time since 1970."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as the catalog has it, or an expression over the row in the place of one.

    ``declared`` is the type as PostgreSQL writes it, a domain by its own name. ``type_schema``, ``type_name``,
    ``category`` and ``members`` (an enum's values) are of the type beneath a domain. ``length`` is the limit of a
    varchar or char. ``equality`` and ``greater`` are the schema and the name of the type's own operators.
    ``sql_text`` is the expression, None for a column; ``name`` is the text then.
    """

    name: str
    declared: str
    type_schema: str
    type_name: str
    category: str
    length: int | None
    members: Sequence[str]
    may_select: bool
    may_update: bool
    is_generated: bool = False
    is_nullable: bool = False
    equality: Sequence[str] = ("pg_catalog", "=")
    greater: Sequence[str] = ("pg_catalog", ">")
    sql_text: str | None = None

    kind: ColumnKind = field(init=False, compare=False)
    type: sql.Identifier = field(init=False, compare=False)
    """The type, for a cast."""
    identifier: sql.Composable = field(init=False, compare=False)
    """The name or the expression, for statements that call the table ``t``."""
    bound_type: sql.Composable = field(init=False, compare=False)
    """The type of a bound in a statement: it must hold every bound, and let the column's index be used."""
    equals: sql.Composable = field(init=False, compare=False)
    """The operator that compares two values of its type. Its schema is written: the search_path must not decide it."""
    is_greater: sql.Composable = field(init=False, compare=False)

    def __post_init__(self) -> None:
        kind = self._kind_of_type()
        own_type = sql.Identifier(self.type_schema, self.type_name)
        # a bound may be outside of what a smaller integer can hold
        bound_type = sql.SQL("pg_catalog.int8") if kind is ColumnKind.INTEGER else own_type
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "type", own_type)
        identifier: sql.Composable = sql.Identifier("t", self.name)
        if self.sql_text is not None:
            identifier = in_parentheses(self.sql_text)
        object.__setattr__(self, "identifier", identifier)
        object.__setattr__(self, "bound_type", bound_type)
        object.__setattr__(self, "equals", operator(*self.equality))
        object.__setattr__(self, "is_greater", operator(*self.greater))

    def _kind_of_type(self) -> ColumnKind:
        if self.members:
            return ColumnKind.ENUM
        # a merchant's own type may have the name of one of PostgreSQL's
        known = _KINDS.get(self.type_name) if self.type_schema == "pg_catalog" else None
        if known is not None:
            return known
        return ColumnKind.TEXT if self.category == "S" else ColumnKind.OTHER

    @property
    def is_scalar(self) -> bool:
        """Whether it holds one value that its text says whole: no document, no list and no bytes."""
        return self.kind is not ColumnKind.OTHER or self.category in "NDTBSEI"

    @property
    def shown(self) -> str:
        """What it is and its name, for a message."""
        return f"the column {self.name}" if self.sql_text is None else f'the SQL text "{self.name}"'

    @property
    def can_check(self) -> bool:
        """Whether ``held`` knows for certain which texts the type takes."""
        return self.kind is not ColumnKind.OTHER and self.kind not in (*_CREATED, ColumnKind.FLOAT)

    def held(self, values: Iterable[str]) -> list[str]:
        """Those of the values that this column can hold, in their order.

        Values come from Stripe or the configuration. One that cannot be cast to the column's type would make the
        statement of a whole page fail.
        """
        return [value for value in values if self._holds(value)]

    def _holds(self, value: str) -> bool:
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
            case ColumnKind.BOOLEAN:
                return value in ("true", "false")
            case _:
                return True

    def loses_blanks_of(self, value: str) -> bool:
        """Whether the column would not keep the blanks that a value ends in."""
        return self.kind is ColumnKind.PADDED and value != value.rstrip(" ")

    def created(self, unit: Literal["s", "ms"] | None) -> sql.Composable:
        """The expression that reads it as a time with a zone. ``unit`` is what a number counts since 1970."""
        template = _CREATED[self.kind] if unit is None else _CREATED_NUMBER[unit]
        return template.format(self.identifier)

    def moment(self, unit: Literal["s", "ms"] | None) -> sql.Composable:
        """The same for a column that may be another kind of time than the created column: what ``now`` wrote."""
        return self.created(None if self.kind in _CREATED else unit)

    def now(self, unit: Literal["s", "ms"] | None) -> sql.Composable:
        """The expression for the present in its type."""
        return _NOW[self.kind] if self.kind in _NOW or unit is None else _NOW_NUMBER[unit]

    def bound(
        self, moment: datetime, unit: Literal["s", "ms"] | None
    ) -> datetime | date | int | Decimal:
        """The smallest value of the column that is not before a moment: times before it are below, others are not."""
        # a column without a zone is read as UTC, so its bounds are UTC too
        moment = moment.astimezone(UTC)

        if unit is not None:
            microseconds = (moment - EPOCH) // timedelta(microseconds=1)
            if self.kind is ColumnKind.INTEGER:
                # rounded up: the last whole number before the moment is below the bound
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


def operator(schema: str, name: str) -> sql.Composable:
    """An operator with its schema. ``name`` comes from the catalog, and is made of PostgreSQL's operator characters."""
    # psycopg reads a % as the start of a parameter
    return sql.SQL("OPERATOR({}.{})").format(
        sql.Identifier(schema), sql.SQL(name.replace("%", "%%"))
    )


def in_parentheses(text: str) -> sql.Composable:
    """An SQL text of the configuration, as a part of a statement with parameters."""
    # psycopg reads a % as the start of a parameter
    return sql.SQL("({})").format(sql.SQL(text.replace("%", "%%")))


def _is_uuid(value: str) -> bool:
    """Whether a text is a UUID as PostgreSQL prints it."""
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its columns in order (None for an expression), and whether it is unique over all rows."""

    columns: tuple[str | None, ...]
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view, with all its columns and indexes. ``role`` is the role that Reconciler connects as."""

    schema: str
    name: str
    kind: RelationKind
    may_use_schema: bool
    is_updatable: bool
    hides_rows: bool
    role: str
    columns: tuple[TableColumn, ...]
    indexes: tuple[Index, ...]

    @property
    def full_name(self) -> str:
        """``schema.table``, for a message."""
        return f"{self.schema}.{self.name}"

    def is_indexed(self, column: TableColumn, account: TableColumn | None) -> bool:
        """Whether an index begins with the column, or with the account's column and then this one."""
        leading = (account.name if account else None, column.name)
        return any(
            index.columns[:1] == (column.name,)
            or (account is not None and index.columns[:2] == leading)
            for index in self.indexes
        )

    @property
    def quoted_name(self) -> str:
        """The name as a statement needs it."""
        return sql.Identifier(self.schema, self.name).as_string()


def find_relation(database: Database, table: str) -> Relation | None:
    """The table of that name, or None.

    The name is ``schema.table``, or a name that the search_path finds.
    """
    schema, dot, name = table.partition(".")
    names = {"schema": schema if dot else None, "name": name if dot else schema}
    with database.connection(_DOING) as connection:
        found = connection.execute(_SQL["relation"], names).fetchone()
        if found is None:
            return None
        # the name as it was found: the search_path may have chosen the schema
        oid, schema, name, kind, may_use, updatable, hides, role = found
        parameters = {"relation": oid}
        columns = connection.execute(_SQL["relation_columns"], parameters).fetchall()
        indexes = connection.execute(_SQL["relation_indexes"], parameters).fetchall()
    return Relation(
        schema=schema,
        name=name,
        kind=RelationKind(kind),
        may_use_schema=may_use,
        is_updatable=updatable,
        hides_rows=hides,
        role=role,
        columns=tuple(TableColumn(*row) for row in columns),
        indexes=tuple(Index(tuple(names), unique) for names, unique in indexes),
    )


def relation_names(database: Database) -> tuple[str, ...]:
    """All tables and views, as ``schema.table``: to suggest the right name."""
    with database.connection(_DOING) as connection:
        rows = connection.execute(_SQL["relation_names"], {}).fetchall()
    return tuple(row[0] for row in rows)


def quoted(columns: Sequence[TableColumn]) -> str:
    """The names of columns as a statement needs them, separated by commas."""
    return ", ".join(sql.Identifier(column.name).as_string() for column in columns)
