"""Rows for which an SQL text of [payments] fails: a cast of one value in a million, a subselect that has two rows there.

Such a row is set aside, so that it cannot make the statements of all other rows fail: the text is not evaluated for it,
and the row reads as one of which nothing is known for certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.errors import OF_VALUE
from reconciler.adapters.postgres.merchant.catalog import TableColumn, in_parentheses
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.model.payment import Payment
from reconciler.errors import ConfigurationError
from reconciler.errors import ConfigurationFault as Fault

Unreadable = Mapping[str, frozenset[str]]
"""The keys of the rows for which a text fails, by the part of the mapping: ``where`` or a column's."""

_TEMPLATES: Final = TEMPLATES["merchant"]
_PARTS: Final = (
    "where",
    "payment_intent",
    "status",
    "amount",
    "currency",
    "created",
    "order",
    "account",
)
MOST: Final = 1_000
"""So many rows are set aside; if a text fails for more, the text is wrong and not the rows."""
FIRST_ROWS: Final = 1_000
MOST_ROWS: Final = 100_000
"""Rows that one statement evaluates: few at first, more while none of them fails."""
ROWS_AFTER_FAILURE: Final = 64
"""Rows that fail often stand side by side."""


def find_unreadable(
    database: Database, table: MerchantTable, most_rows: int | None = None
) -> Unreadable:
    """Every row for which a text of the mapping fails; ``table`` has none set aside.

    With ``most_rows`` it looks at about so many rows, the first by key.

    It reads the table once for each text. Raises ConfigurationError if a text fails for more than MOST rows, and
    DatabaseBusyError if a part of the table takes longer than a count may.
    """
    found: dict[str, frozenset[str]] = {}
    with database.counting("looking for rows for which an SQL text fails") as connection:
        for part, text in texts_of(table).items():
            keys = _failing_keys(connection, table, part, text, most_rows)
            if keys:
                found[part] = keys
    return found


def still_unreadable(database: Database, table: MerchantTable, known: Unreadable) -> Unreadable:
    """Those of the known rows for which the text still fails; ``table`` has none set aside."""
    found: dict[str, frozenset[str]] = {}
    texts = texts_of(table)
    with database.counting("reading rows again for which an SQL text failed") as connection:
        for part, keys in known.items():
            failing = frozenset(
                key
                for key in keys
                if _evaluated(connection, table, texts[part], "=", key, 1) is None
            )
            if failing:
                found[part] = failing
    return found


def without_unreadable(table: MerchantTable, unreadable: Unreadable) -> MerchantTable:
    """The table with these rows set aside, or as it is if there is none: the text is NULL for them, and ``where`` counts as true.

    In the place of an id stands what is wrong, so that such a row is never taken for one without a PaymentIntent.
    """
    if not unreadable:
        return table
    changed: dict[str, TableColumn] = {}
    mapping = table.mapping
    for part, keys in unreadable.items():
        if part == "where":
            mapping = replace(mapping, where=_unless(table, keys, "true", mapping.where or "true"))
            continue
        column: TableColumn = getattr(table, part)
        instead = "NULL"
        if part == "payment_intent":
            instead = "'payment_intent is not readable'"
        text = _unless(table, keys, instead, column.sql_text or "NULL")
        changed[part] = replace(column, sql_text=text)
    return replace(
        table,
        unreadable=unreadable,
        whole=table,
        mapping=mapping,
        # no index serves the changed text
        intent_is_indexed=table.intent_is_indexed and "payment_intent" not in unreadable,
        order_is_indexed=table.order_is_indexed and "order" not in unreadable,
        **changed,  # type: ignore[arg-type]
    )


def parts_by_key(unreadable: Unreadable) -> dict[str, str]:
    """The part of the mapping that fails, by the key of the row; of several parts the first."""
    by_key: dict[str, str] = {}
    for part in _PARTS:
        for key in unreadable.get(part, ()):
            by_key.setdefault(key, part)
    return by_key


def rows_of_any_order(
    connection: Connection,
    table: MerchantTable,
    reader: RowReader,
    orders: Iterable[str],
) -> tuple[Payment, ...]:
    """The rows whose order is not readable, once for each order: each of them may be any order's."""
    parameters = {"keys": table.key.held(reader.without_order)}
    found = connection.execute(table.rows_of_any_order, parameters).fetchall()
    rows = reader.read(found, connection)
    return tuple(replace(row, order=order) for order in orders for row in rows)


def texts_of(table: MerchantTable) -> dict[str, sql.Composable]:
    """Every SQL text of the mapping that is read, by its part."""
    texts: dict[str, sql.Composable] = {}
    if table.mapping.where is not None:
        texts["where"] = in_parentheses(table.mapping.where)
    for part in _PARTS[1:]:
        column = getattr(table, part)
        if column is not None and column.sql_text is not None:
            texts[part] = column.identifier
    return texts


def _unless(table: MerchantTable, keys: Iterable[str], instead: str, text: str) -> str:
    listed = sql.SQL(", ").join(map(sql.Literal, sorted(keys))).as_string()
    key = table.key.identifier.as_string()
    is_listed = f"{key}::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY[{listed}])"
    return f"CASE WHEN {is_listed} THEN {instead} ELSE ({text}) END"


def _failing_keys(
    connection: Connection,
    table: MerchantTable,
    part: str,
    text: sql.Composable,
    most_rows: int | None,
) -> frozenset[str]:
    found: set[str] = set()
    after: str | None = None
    size, seen = FIRST_ROWS, 0
    while True:
        rows = _evaluated(connection, table, text, ">", after, size)
        if rows is not None:
            seen += rows
            if rows < size or (most_rows is not None and seen >= most_rows):
                return frozenset(found)
            after = _key_at(connection, table, after, size)
            size = min(2 * size, MOST_ROWS)
            continue

        # the text fails for one of these rows: the fewest rows with a failure end with it
        fewest, most = 0, size
        while most - fewest > 1:
            middle = (fewest + most) // 2
            fails = _evaluated(connection, table, text, ">", after, middle) is None
            fewest, most = (fewest, middle) if fails else (middle, most)
        after = _key_at(connection, table, after, most)
        if len(found) == MOST:
            raise ConfigurationError((_too_many(part, after),))
        found.add(after)
        size = 1 if most == 1 else ROWS_AFTER_FAILURE


def _too_many(part: str, key: str) -> Fault:
    return Fault(
        f"[payments] {part}: the SQL text fails for more than {MOST:,} rows, such as the row {key}.",
        "Correct the SQL text, so that it gives NULL for such a row.",
    )


def _evaluated(
    connection: Connection,
    table: MerchantTable,
    text: sql.Composable,
    compared: str,
    key: str | None,
    limit: int,
) -> int | None:
    """How many rows the text was evaluated for, None if it fails for one of them."""
    statement = _TEMPLATES["evaluate_rows"].format(
        value=text,
        table=sql.Identifier(table.schema, table.name),
        key=table.key.identifier,
        rows=_of_keys(table, compared, key),
    )
    try:
        # a failure must not end the transaction
        with connection.transaction():
            row = connection.execute(
                statement.as_bytes(None), {"key": key, "limit": limit}
            ).fetchone()
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(OF_VALUE):
            return None
        raise
    return 0 if row is None else int(row[0])


def _key_at(connection: Connection, table: MerchantTable, after: str | None, place: int) -> str:
    """The key of the row at this place, from 1, after a key."""
    statement = _TEMPLATES["key_at"].format(
        table=sql.Identifier(table.schema, table.name),
        key=table.key.identifier,
        rows=_of_keys(table, ">", after),
    )
    parameters = {"key": after, "offset": place - 1}
    row = connection.execute(statement.as_bytes(None), parameters).fetchone()
    return "" if row is None else str(row[0])


def _of_keys(table: MerchantTable, compared: str, key: str | None) -> sql.Composable:
    if key is None:
        return sql.SQL("{} IS NOT NULL").format(table.key.identifier)
    operator = table.key.equals if compared == "=" else table.key.is_greater
    return sql.SQL("{} {} %(key)s::{}").format(table.key.identifier, operator, table.key.type)
