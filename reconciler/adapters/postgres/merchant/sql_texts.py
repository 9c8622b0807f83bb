"""The SQL texts of [payments] that stand in the place of a column: whether PostgreSQL takes them, and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.errors import OF_VALUE
from reconciler.adapters.postgres.merchant.catalog import Relation, TableColumn, in_parentheses
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.domain.model.payment import SqlText
from reconciler.errors import ConfigurationFault as Fault
from reconciler.masking import redact
from reconciler.sql_expressions import called_functions

_SQL: Final = STATEMENTS["merchant"]
_TEMPLATES: Final = TEMPLATES["merchant"]

OF_TEXT: Final = ("42", "21", "22", "25", "0A", "2F", "38", "39", "P0", "54")
"""Classes of SQLSTATE that a text itself is to blame for: its syntax, its values, or a write inside it."""
SAMPLE: Final = 100
"""So many rows show at start whether a text can be evaluated."""
_AMBIGUOUS: Final = "42702"
LONGEST_SHOWN: Final = 200
"""Characters of a text that a message shows."""


def read_sql_texts(
    database: Database, relation: Relation, texts: Mapping[str, SqlText]
) -> tuple[dict[str, TableColumn], tuple[Fault, ...]]:
    """Each text that PostgreSQL takes, as a column, by its key in [payments]; and the faults of the others."""
    columns: dict[str, TableColumn] = {}
    faults: list[Fault] = []
    for key, text in texts.items():
        found = _read(database, relation, key, text.sql)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            columns[key] = found
    return columns, tuple(faults)


def _read(database: Database, relation: Relation, key: str, text: str) -> TableColumn | Fault:
    """The text as a column, or why it cannot stand in the place of one."""
    said = f"[payments] {key}: the SQL text {shown_text(text)}"
    with database.snapshot(f"reading the SQL text of [payments] {key}") as connection:
        volatile = volatile_function(connection, text)
        if volatile is not None:
            return Fault(
                f"{said} calls {volatile}, which may change the database or give another value each time.",
                "Use only functions that PostgreSQL marks as stable or immutable.",
            )
        try:
            return _as_column(connection, relation, text)
        except psycopg.Error as error:
            why = why_refused(error)
            if why is None:
                raise
            return Fault(f"{said}: {why}.", _hint(error))


def _hint(error: psycopg.Error) -> str:
    if error.sqlstate == _AMBIGUOUS:
        return "Write each column of the row with t in front of it, such as t.status."
    return "Correct the SQL text: it has to be one expression with one value for each row t of the table."


def why_refused(error: psycopg.Error) -> str | None:
    """What PostgreSQL says against a text, without any value of a row; None if the text is not to blame."""
    state = error.sqlstate or ""
    if not state.startswith(OF_TEXT):
        return None
    # an error about a value may quote a customer's row
    if state.startswith("42"):
        return f"PostgreSQL refuses this SQL: {redact(error.diag.message_primary or state)}"
    return f"PostgreSQL cannot evaluate this SQL for at least one row ({type(error).__name__})"


def shown_text(text: str) -> str:
    """A text on one line, for a message."""
    line = " ".join(redact(text).split())
    return f'"{line[:LONGEST_SHOWN]}…"' if len(line) > LONGEST_SHOWN else f'"{line}"'


def volatile_function(connection: Connection, text: str) -> str | None:
    """The first function in a text that the catalog calls volatile, None if there is none."""
    called = called_functions(text)
    parameters = {
        "schemas": [schema for schema, _ in called],
        "names": [name for _, name in called],
    }
    row = connection.execute(_SQL["volatile_functions"], parameters).fetchone()
    return None if row is None else str(row[0])


def evaluate_sample(
    connection: Connection,
    relation: Relation,
    statement: str,
    value: sql.Composable,
    parts: Mapping[str, sql.Composable],
) -> None:
    """Evaluate an expression for some rows by a statement, and raise psycopg's error if it fails for most of them.

    If it fails for few of them, their rows are the fault and not the text: each becomes a finding.
    """
    try:
        with connection.transaction():
            connection.execute(_TEMPLATES[statement].format(**parts).as_bytes(None), {})
    except psycopg.Error as error:
        is_of_value = (error.sqlstate or "").startswith(OF_VALUE)
        if not is_of_value or _fails_for_most(connection, relation, value):
            raise


def _fails_for_most(connection: Connection, relation: Relation, value: sql.Composable) -> bool:
    query = _TEMPLATES["evaluate_row"].format(
        table=sql.Identifier(relation.schema, relation.name), value=value
    )
    fails = rows = 0
    for place in range(SAMPLE):
        try:
            with connection.transaction():
                found = connection.execute(query.as_bytes(None), {"offset": place}).fetchone()
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(OF_VALUE):
                raise
            fails += 1
        else:
            if found is None:
                break
        rows += 1
    return 2 * fails > rows


def _as_column(connection: Connection, relation: Relation, text: str) -> TableColumn:
    parts = {
        "table": sql.Identifier(relation.schema, relation.name),
        "expression": in_parentheses(text),
    }
    # the first statement finds its type and refuses names without t, aggregates and several rows; it reads no row
    typed = connection.execute(_TEMPLATES["expression_type"].format(**parts).as_bytes(None), {})
    described = (typed.description or [])[0]
    evaluate_sample(connection, relation, "expression_sample", parts["expression"], parts)
    parameters = {"type": described.type_code}
    row = connection.execute(_SQL["type_of_expression"], parameters).fetchone()
    if row is None:
        raise psycopg.errors.UndefinedObject
    declared, schema, name, category, members = row
    return TableColumn(
        name=text,
        declared=declared,
        type_schema=schema,
        type_name=name,
        category=category,
        length=None,
        members=members,
        may_select=True,
        may_update=False,
        is_nullable=True,
        sql_text=text,
    )
