"""Whether an index serves a lookup on the merchant's table, and which index would: PostgreSQL's planner is asked.

The catalog names the indexes of a table's columns. For an SQL text, and for a view, only the planner knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import (
    ColumnKind,
    Relation,
    RelationKind,
    TableColumn,
)
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.sql_expressions import without_row_name

_SQL: Final = STATEMENTS["transactions"]
_TEMPLATES: Final = TEMPLATES["merchant"]

_MARKERS: Final = {
    ColumnKind.INTEGER: "31999",
    ColumnKind.NUMERIC: "31999",
    ColumnKind.UUID: "00000000-0000-4000-8000-000000031999",
    ColumnKind.BOOLEAN: "true",
}
"""A value that the plan of a lookup shows again; of texts it is ``_MARKER``."""
_MARKER: Final = "reconciler31999"
_EQUALS: Final = r" (?:=|OPERATOR\([^()]*=\)) \(?'?"


def is_served(database: Database, relation: Relation, column: TableColumn) -> bool:
    """Whether an index serves lookups by this column or SQL text."""
    marker = _marker(column)
    nodes = _nodes(_plan(database, relation, column, marker))
    return any(marker in str(node.get("Index Cond", "")) for node in nodes)


def index_for(database: Database, relation: Relation, column: TableColumn) -> str | None:
    """The statement that creates an index for such lookups; None if no index can serve them."""
    marker = _marker(column)
    nodes = _nodes(_plan(database, relation, column, marker))
    found = next((node for node in nodes if marker in str(node.get("Filter", ""))), None)
    expression = None if found is None else _expression(found, marker)
    if found is None or expression is None or not found.get("Schema"):
        return None
    table = sql.Identifier(found["Schema"], found["Relation Name"]).as_string()
    # the plan shows a partition, and the index belongs to the whole table
    if relation.kind is RelationKind.PARTITIONED:
        table = relation.quoted_name
    if not _can_be_indexed(database, table, expression):
        return None
    way = "INDEX" if relation.kind is RelationKind.PARTITIONED else "INDEX CONCURRENTLY"
    return f"CREATE {way} ON {table} ({expression});"


def _marker(column: TableColumn) -> str:
    return column.members[0] if column.members else _MARKERS.get(column.kind, _MARKER)


def _plan(
    database: Database, relation: Relation, column: TableColumn, marker: str
) -> Mapping[str, Any]:
    query = _TEMPLATES["lookup_plan"].format(
        table=sql.Identifier(relation.schema, relation.name),
        expression=column.identifier,
        equals=column.equals,
        marker=sql.Literal(marker),
        type=column.type,
    )
    with database.snapshot("asking PostgreSQL how it would look up a payment") as connection:
        connection.execute(_SQL["only_indexes"])
        row = connection.execute(query.as_bytes(None), {}).fetchone()
    return {} if row is None else row[0][0]["Plan"]


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _expression(node: Mapping[str, Any], marker: str) -> str | None:
    """What the filter of a scan compares with the marker, as an index needs it; None if it is more than the row."""
    text = str(node["Filter"])
    compared = re.search(_EQUALS + re.escape(marker), text)
    if compared is None:
        return None
    # PostgreSQL writes a comparison in parentheses: back to the one that opens it
    depth, start = 0, compared.start()
    while start > 0 and depth <= 0:
        start -= 1
        depth += {"(": 1, ")": -1}.get(text[start], 0)
    left = text[start + 1 : compared.start()] if depth > 0 else text[: compared.start()]
    if "SubPlan" in left or "InitPlan" in left:
        return None
    expression = without_row_name(left, str(node.get("Alias", "")))
    is_name = re.fullmatch(r'[a-z_][a-z0-9_$]*|"[^"]+"', expression) is not None
    return expression if is_name else f"({expression})"


def _can_be_indexed(database: Database, table: str, expression: str) -> bool:
    """Whether an index can hold the expression: it is tried on an empty copy. If that may not be made, it counts as yes."""
    with database.connection("trying an index on an empty copy") as connection:
        try:
            connection.execute(_SQL["begin"])
            copy = _TEMPLATES["try_copy"].format(table=sql.SQL(table.replace("%", "%%")))
            connection.execute(copy.as_bytes(None), {})
        except psycopg.Error:
            connection.rollback()
            return True
        try:
            index = _TEMPLATES["try_index"].format(
                expression=sql.SQL(expression.replace("%", "%%"))
            )
            connection.execute(index.as_bytes(None), {})
        except psycopg.Error:
            return False
        finally:
            connection.rollback()
    return True
