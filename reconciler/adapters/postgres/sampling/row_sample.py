"""Reads some hundred rows of a table, the newest if an index gives them, and never the whole of a large table."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.merchant.catalog import (
    TIMESTAMPS,
    ColumnKind,
    Relation,
    RelationKind,
    TableColumn,
    in_parentheses,
)
from reconciler.adapters.postgres.sampling.document_columns import document_columns, typed_column
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    SampledTable,
    ValueKind,
    reference,
)

SAMPLE: Final = 500
"""Rows of a sample."""
SMALL: Final = 200_000
"""A table with fewer rows may be read whole."""
MOST_COLUMNS: Final = 200
SECONDS: Final = 5
_SQL: Final = STATEMENTS["sampling"]
_TEMPLATES: Final = TEMPLATES["sampling"]
_NOTHING: Final = sql.SQL("")
_TRUE: Final = sql.SQL("true")
_KINDS: Final = {
    ColumnKind.TEXT: ValueKind.TEXT,
    ColumnKind.PADDED: ValueKind.TEXT,
    ColumnKind.ENUM: ValueKind.TEXT,
    ColumnKind.UUID: ValueKind.TEXT,
    ColumnKind.INTEGER: ValueKind.INTEGER,
    ColumnKind.NUMERIC: ValueKind.NUMERIC,
    ColumnKind.FLOAT: ValueKind.NUMERIC,
    ColumnKind.BOOLEAN: ValueKind.BOOLEAN,
    ColumnKind.TIMESTAMPTZ: ValueKind.TIME,
    ColumnKind.TIMESTAMP: ValueKind.TIME,
    ColumnKind.DATE: ValueKind.TIME,
}


class SampleTooSlowError(Exception):
    """The database did not give the sample in time."""


def how_to_sample(
    connection: Connection, relation: Relation, created: TableColumn | None = None
) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    """How some rows are reached without reading the table: a TABLESAMPLE, an ORDER BY, and the condition that it needs.

    The newest rows by an index on the time or on the key, a random part of a large table, or any rows of a small one.
    """
    leading = {index.columns[0] for index in relation.indexes if index.columns}
    times = [column for column in relation.columns if column.kind in TIMESTAMPS]
    keys = [
        column
        for column in relation.columns
        for index in relation.indexes
        if index.is_unique and index.columns == (column.name,)
    ]
    created_first = [created] if created is not None else _named(times, "creat")
    for column in [*created_first, *keys]:
        if column.name in leading and column.sql_text is None and column.may_select:
            name = sql.Identifier("t", column.name)
            ordered = sql.SQL("ORDER BY {} DESC").format(name)
            return _NOTHING, ordered, sql.SQL("{} IS NOT NULL").format(name)

    if relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED, RelationKind.MATERIALIZED):
        rows = estimated_rows(connection, relation)
        if rows > SMALL:
            part = sql.Literal(max(100 * 20 * SAMPLE / rows, 0.001))
            return sql.SQL("TABLESAMPLE SYSTEM ({})").format(part), _NOTHING, _TRUE
    return _NOTHING, _NOTHING, _TRUE


def _named(columns: Sequence[TableColumn], part: str) -> list[TableColumn]:
    return [column for column in columns if part in column.name.lower()]


def estimated_rows(connection: Connection, relation: Relation) -> int:
    """How many rows the planner believes a table to have; 0 if it does not know."""
    found = connection.execute(_SQL["estimated_rows"], {"relation": relation.quoted_name})
    row = found.fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def set_sample_timeout(connection: Connection, seconds: int = SECONDS) -> None:
    """End a statement of this transaction after some seconds."""
    connection.execute(_SQL["set_sample_timeout"], {"timeout": f"{seconds}s"})


def sample_rows(
    database: Database,
    relation: Relation,
    *,
    holding: tuple[str, Sequence[str]] | None = None,
) -> SampledTable:
    """Some rows with every column that the role may read, documents three levels deep, and of lists the last element.

    With ``holding``, an SQL text and values, rows in which the text gives one of the values.
    Raises SampleTooSlowError.
    """
    # psycopg reads a % in a name as the start of a parameter
    read = [
        _last_of_list(column) if _is_list(column) else column
        for column in relation.columns
        if column.may_select and _is_read(column) and "%" not in column.name
    ]
    read = read[:MOST_COLUMNS]
    with database.snapshot(f"sampling {relation.full_name}") as connection:
        set_sample_timeout(connection)
        try:
            lookups = _currency_lookups(connection, relation)
            how = how_to_sample(connection, relation)
            if holding is not None:
                how = _NOTHING, _NOTHING, _holds(*holding)
            rows = _fetch(connection, relation, read, lookups, how)
            documents = _with_documents_in_text(read, rows)
            if documents != read:
                # a value that is no JSON after all leaves the columns as texts
                with contextlib.suppress(psycopg.DataError), connection.transaction():
                    rows = _fetch(connection, relation, documents, lookups, how)
                    read = documents
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise SampleTooSlowError(relation.full_name) from None
    return _as_table(relation, read, lookups, rows)


def _fetch(
    connection: Connection,
    relation: Relation,
    read: Sequence[TableColumn],
    lookups: Sequence[SampledColumn],
    how: tuple[sql.Composable, sql.Composable, sql.Composable],
) -> list[tuple[str | None, ...]]:
    sampled, ordered, condition = how
    columns = [
        *(_expression(column) for column in read),
        *(sql.SQL("{}").format(in_parentheses(found.reference)) for found in lookups),
    ]
    query = _TEMPLATES["sampled_rows"].format(
        columns=sql.SQL(", ").join(columns),
        table=sql.Identifier(relation.schema, relation.name),
        sampled=sampled,
        condition=condition,
        ordered=ordered,
    )
    return connection.execute(query.as_bytes(None), {"limit": SAMPLE}).fetchall()


def _with_documents_in_text(
    read: Sequence[TableColumn], rows: Sequence[Sequence[str | None]]
) -> list[TableColumn]:
    """The columns, with those text columns as documents of which every sampled value seems to be a JSON object."""
    columns = []
    for place, column in enumerate(read):
        values = [text.strip() for row in rows if (text := row[place])]
        is_text = column.kind is ColumnKind.TEXT and not _is_document(column)
        if is_text and values and all(text.startswith('{"') for text in values):
            cast = f"({reference(column.name)})::jsonb"
            columns.append(replace(column, type_name="jsonb", sql_text=cast))
        else:
            columns.append(column)
    return columns


def _holds(text: str, values: Sequence[str]) -> sql.Composable:
    """The condition that an SQL text gives one of some values; an index on a text column serves it."""
    # psycopg reads a % as the start of a parameter
    literals = sql.SQL(", ").join(
        sql.SQL(sql.Literal(value).as_string().replace("%", "%%")) for value in values
    )
    return sql.SQL("{}::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY[{}])").format(
        in_parentheses(text), literals
    )


def _is_read(column: TableColumn) -> bool:
    is_known = column.type_name in ("json", "jsonb", "money", "citext")
    return column.kind in _KINDS or is_known or _is_list(column)


def _is_list(column: TableColumn) -> bool:
    return column.type_name in ("_text", "_varchar", "_bpchar")


def _last_of_list(column: TableColumn) -> TableColumn:
    """The last element of a list of texts, in its place: attempts are added at the end."""
    own = reference(column.name)
    last = f"{own}[array_upper({own}, 1)]"
    return replace(
        column, type_name="text", category="S", sql_text=last, name=f"{column.name}[last]"
    )


def _is_document(column: TableColumn) -> bool:
    return column.type_name in ("json", "jsonb")


def _expression(column: TableColumn) -> sql.Composable:
    name = column.identifier
    if _is_document(column):
        return _TEMPLATES["sampled_json"].format(column=name)
    if column.kind in TIMESTAMPS:
        return _TEMPLATES["sampled_time"].format(column=name)
    if column.type_name == "money":
        return sql.SQL("{}::pg_catalog.numeric::pg_catalog.text").format(name)
    return _TEMPLATES["sampled_text"].format(column=name)


def _currency_lookups(connection: Connection, relation: Relation) -> list[SampledColumn]:
    """The texts that give a currency's code from a table next door."""
    parameters = {"relation": relation.quoted_name}
    found = connection.execute(_SQL["referenced_tables"], parameters).fetchall()
    lookups = []
    for own, schema, table, key, code in found:
        query = _TEMPLATES["holds_currency_codes"].format(
            column=sql.Identifier(code), table=sql.Identifier(schema, table)
        )
        rows, codes = connection.execute(query.as_bytes(None)).fetchone() or (0, 0)
        if rows and rows == codes:
            text = (
                _TEMPLATES["currency_lookup"]
                .format(
                    code=sql.Identifier(code),
                    table=sql.Identifier(schema, table),
                    key=sql.Identifier(key),
                    own=sql.SQL(reference(own)),
                )
                .as_string()
                .partition("\n")[2]
            )
            lookups.append(
                SampledColumn(
                    f"{table}.{code} by {own}",
                    ValueKind.TEXT,
                    text,
                    other_table=sql.Identifier(schema, table).as_string(),
                )
            )
    return lookups


def _as_table(
    relation: Relation,
    read: Sequence[TableColumn],
    lookups: Sequence[SampledColumn],
    rows: Sequence[Sequence[str | None]],
) -> SampledTable:
    unique = {
        index.columns[0]
        for index in relation.indexes
        if index.is_unique and len(index.columns) == 1
    }
    leading = {index.columns[0] for index in relation.indexes if index.is_unique}
    columns: list[SampledColumn] = []
    values: list[list[str | None]] = []
    for place, column in enumerate(read):
        texts = [row[place] for row in rows]
        if _is_document(column):
            for found, inner in document_columns(column, texts):
                columns.append(found)
                values.append(inner)
            continue
        found = _sampled_column(column, unique, leading)
        if column.kind is ColumnKind.TEXT:
            found, texts = typed_column(found, texts)
        columns.append(found)
        values.append(texts)
    for place, lookup in enumerate(lookups, start=len(read)):
        columns.append(lookup)
        values.append([row[place] for row in rows])
    turned = tuple(zip(*values, strict=True)) if values and rows else ()
    return SampledTable(relation.full_name, tuple(columns), turned)


def _sampled_column(
    column: TableColumn, unique: Collection[str | None], leading: Collection[str | None]
) -> SampledColumn:
    kind = _KINDS.get(column.kind, ValueKind.TEXT)
    number = None
    # floating point and money cannot be mapped as they are
    if column.kind is ColumnKind.FLOAT or column.type_name == "money":
        kind, number = ValueKind.NUMERIC, f"{reference(column.name)}::numeric"
    return SampledColumn(
        column.name,
        kind,
        column.sql_text,
        number_sql=number,
        is_unique=column.name in unique,
        is_nullable=column.is_nullable,
        leads_unique=column.name in leading,
        is_of_list=column.sql_text is not None,
    )
