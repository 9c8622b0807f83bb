"""What PostgreSQL's catalog says of the merchant's table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.columns import TableColumn
from reconciler.adapters.postgres.statements import statements

_SQL: Final = statements("merchant")

_DOING = "reading the catalog"


class RelationKind(Enum):
    """What a name in the catalog stands for, by PostgreSQL's own letter."""

    TABLE = "r"
    PARTITIONED = "p"
    VIEW = "v"
    MATERIALIZED = "m"
    FOREIGN = "f"


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its columns in order (None for an expression), and whether it is unique over all rows."""

    columns: tuple[str | None, ...]
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view, with all its columns and indexes. ``role`` is whom we are connected as."""

    schema: str
    name: str
    kind: RelationKind
    may_use_schema: bool
    is_updatable: bool
    hides_rows: bool
    role: str
    columns: tuple[TableColumn, ...]
    indexes: tuple[Index, ...]

    def column(self, name: str) -> TableColumn | None:
        """The column of that very name."""
        return next((column for column in self.columns if column.name == name), None)


def find_relation(database: Database, table: str) -> Relation | None:
    """The table of that name, ``schema.table`` or a name that the search_path finds; None where there is none."""
    schema, dot, name = table.partition(".")
    names = {"schema": schema if dot else None, "name": name if dot else schema}
    with database.connection(_DOING) as connection:
        found = connection.execute(_SQL["relation"], names).fetchone()
        if found is None:
            return None
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
        columns=tuple(_column(*row) for row in columns),
        indexes=tuple(Index(tuple(names), unique) for names, unique in indexes),
    )


def relation_names(database: Database) -> tuple[str, ...]:
    """Tables and views there are, as ``schema.table``: for a hint at the right name."""
    with database.connection(_DOING) as connection:
        rows = connection.execute(_SQL["relation_names"], {}).fetchall()
    return tuple(row[0] for row in rows)


def _column(
    name: str,
    declared: str,
    type_schema: str,
    type_name: str,
    category: str,
    length: int | None,
    members: list[str],
    may_select: bool,
    may_update: bool,
    is_generated: bool,
    is_nullable: bool,
) -> TableColumn:
    return TableColumn(
        name=name,
        declared=declared,
        type_schema=type_schema,
        type_name=type_name,
        category=category,
        length=length,
        members=tuple(members),
        may_select=may_select,
        may_update=may_update,
        is_generated=is_generated,
        is_nullable=is_nullable,
    )
