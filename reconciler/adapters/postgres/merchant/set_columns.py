"""The statements that write rows: the status, the intent, the time, and the columns of [payments.set]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation, TableColumn, in_parentheses
from reconciler.adapters.postgres.merchant.sql_texts import (
    evaluate_sample,
    read_sql_texts,
    shown_text,
    why_refused,
)
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.model.payment import SqlText, TableMapping
from reconciler.errors import ConfigurationFault as Fault

if TYPE_CHECKING:
    from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable

_TEMPLATES: Final = TEMPLATES["merchant"]
_COMPARED: Final = (
    "key",
    "payment_intent",
    "status",
    "amount",
    "currency",
    "order",
    "account",
    "updated",
)
"""The parts of the mapping whose columns [payments.set] may not name: a write compares them, or writes them itself."""


def update_statement(table: MerchantTable, *, linking: bool) -> bytes:
    """The statement that writes rows which are still as they were compared.

    Without ``linking`` the PaymentIntent's column is not written, so that no privilege on it is needed.
    """
    not_held: sql.Composable = sql.SQL("true")
    if linking:
        # an intent that another row holds by now is that row's money: the late webhook wins
        not_held = _TEMPLATES["not_held_by_another"].format(
            table=sql.Identifier(table.schema, table.name),
            key=sql.Identifier(table.key.name),
            other_intent=table.intent_of("other"),
            equals_intent=table.equals_intent,
            equals_key=table.key.equals,
        )
    changes = _assignments(table, linking=linking)
    return table.compose("update_rows", assignments=changes, not_held=not_held)


def values_statement(table: MerchantTable, *, lock: bool) -> bytes:
    """The columns of [payments.set] of the rows that have one of ``keys``, and whether the row is in the mapping."""
    columns = sql.SQL(", ").join(
        sql.SQL("{}::pg_catalog.text").format(column.identifier) for column in table.set_columns
    )
    locking = sql.SQL("FOR NO KEY UPDATE OF t") if lock else sql.SQL("")
    return table.compose("set_values", columns=columns, locking=locking)


def _assignments(table: MerchantTable, *, linking: bool) -> sql.Composable:
    """What stands after SET in the statement that writes rows."""
    # columns on the left of SET stand without the table's alias
    assign = sql.SQL("{} = {}")
    changes: list[sql.Composable] = []
    # an SQL text is not written: [payments.set] writes what it reads
    if table.status.sql_text is None:
        changes.append(assign.format(sql.Identifier(table.status.name), sql.SQL("w.to_status")))
    if linking:
        # a row that is not linked keeps its text: it may be a client secret, by which the webhook finds the row
        linked = sql.SQL("CASE WHEN w.links THEN w.to_intent ELSE {} END").format(
            table.payment_intent.identifier
        )
        changes.append(assign.format(sql.Identifier(table.payment_intent.name), linked))
    if table.updated is not None:
        now = table.updated.now(table.mapping.created_unit)
        changes.append(assign.format(sql.Identifier(table.updated.name), now))
    for column in table.set_columns:
        value = _value_of_row(table.mapping, column)
        changes.append(assign.format(sql.Identifier(column.name), value))
    return sql.SQL(", ").join(changes)


def _value_of_row(mapping: TableMapping, column: TableColumn) -> sql.Composable:
    values = [
        _TEMPLATES["set_value"].format(
            outcome=sql.Literal(outcome.value), value=_value(columns[column.name]), type=column.type
        )
        for outcome, columns in mapping.set.items()
        if column.name in columns
    ]
    return _TEMPLATES["restored_value"].format(
        name=sql.Literal(column.name.replace("%", "%%")),
        type=column.type,
        values=sql.SQL(" ").join(values),
        column=column.identifier,
    )


def _value(value: str | SqlText) -> sql.Composable:
    if isinstance(value, SqlText):
        return in_parentheses(value.sql)
    # psycopg reads a % as the start of a parameter
    return sql.Literal(value.replace("%", "%%"))


def read_set_columns(
    database: Database, relation: Relation, mapping: TableMapping, *, writes: bool
) -> tuple[tuple[TableColumn, ...], tuple[Fault, ...]]:
    """The columns that [payments.set] names, and every fault of it. ``writes`` is whether rows are corrected."""
    by_name = {column.name: column for column in relation.columns}
    found: dict[str, TableColumn] = {}
    faults: list[Fault] = []
    for outcome, columns in mapping.set.items():
        for name, value in columns.items():
            said = f"[payments.set.{outcome.value}] {name}"
            faults += _column_faults(relation, mapping, by_name, name, said, writes=writes)
            if name in by_name:
                found[name] = by_name[name]
                key = f"set.{outcome.value}.{name}"
                faults += _value_faults(database, relation, by_name[name], key, said, value)
    return tuple(found.values()), tuple(faults)


def _column_faults(
    relation: Relation,
    mapping: TableMapping,
    by_name: Mapping[str, TableColumn],
    name: str,
    said: str,
    *,
    writes: bool,
) -> Iterator[Fault]:
    column = by_name.get(name)
    if column is None:
        yield Fault(f"{said}: {relation.full_name} has no column {name}.", "Correct the name.")
        return
    part = next((part for part in _COMPARED if getattr(mapping, part) == name), None)
    if part is not None:
        yield Fault(
            f"{said}: this column is already mapped as [payments] {part}.",
            "Name another column, or delete the line.",
        )
    if column.is_generated:
        yield Fault(
            f"{said}: PostgreSQL generates this column, so Reconciler cannot write it.",
            "Name the columns that PostgreSQL makes it from.",
        )
    elif writes and not column.may_update:
        role = sql.Identifier(relation.role).as_string()
        quoted_name = sql.Identifier(name).as_string()
        yield Fault(
            f"{said}: the role {relation.role} may not write the column.",
            f"Run: GRANT UPDATE ({quoted_name}) ON {relation.quoted_name} TO {role};",
        )
    if not column.may_select:
        yield Fault(
            f"{said}: the role {relation.role} may not read the column.",
            "Grant SELECT on this column to the role.",
        )


def _value_faults(
    database: Database,
    relation: Relation,
    column: TableColumn,
    key: str,
    said: str,
    value: str | SqlText,
) -> Iterator[Fault]:
    """Why the column cannot take the value, as far as some rows show it."""
    if isinstance(value, SqlText):
        refused = read_sql_texts(database, relation, {key: value})[1]
        if refused:
            yield from refused
            return
    parts = {
        "value": _value(value),
        "type": column.type,
        "table": sql.Identifier(relation.schema, relation.name),
    }
    converted = sql.SQL("({value})::{type}").format(**parts)
    with database.snapshot(f"trying the value of {said}") as connection:
        try:
            evaluate_sample(connection, relation, "value_check", converted, parts)
        except psycopg.Error as error:
            why = why_refused(error)
            if why is None:
                raise
            text = shown_text(value.sql if isinstance(value, SqlText) else value)
            yield Fault(
                f"{said} = {text} cannot be stored in the column, which is {column.declared}: "
                f"{why}.",
                "Write a value that the column can hold.",
            )


def status_text_faults(mapping: TableMapping) -> Iterator[Fault]:
    """The faults of a mapping with an SQL text for the status: that changes only by the columns that it reads."""
    text = shown_text(mapping.status.sql if isinstance(mapping.status, SqlText) else mapping.status)
    for outcome in mapping.statuses.write:
        if not mapping.set.get(outcome):
            yield Fault(
                f"[payments.write] {outcome.value}: the status is the SQL text {text}, which cannot be written.",
                f"Under [payments.set.{outcome.value}], name the columns to write. Or delete "
                "this line of [payments.write].",
            )
