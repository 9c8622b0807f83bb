"""What PostgreSQL says of the schema ``reconciler`` after all migrations: tables, columns, keys and privileges."""

from __future__ import annotations

from functools import partial
from typing import LiteralString

import psycopg

from reconciler.adapters.postgres.coordination import service_record
from reconciler.adapters.postgres.schema.grants import Right, rights_of
from tests.acceptance.docs.pages import Block, table

_TABLES = """
SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')
FROM pg_class AS c
WHERE c.relnamespace = 'reconciler'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE '%%yoyo%%'
ORDER BY c.relname
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM pg_attribute AS a
WHERE a.attrelid = format('reconciler.%%I', %(table)s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_KEYS = """
SELECT pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid = format('reconciler.%%I', %(table)s::text)::regclass AND contype IN ('p', 'u', 'f')
ORDER BY contype = 'p' DESC, contype, conname
"""


def table_names(connection: psycopg.Connection) -> list[str]:
    """Every table of the schema, but for those of the migrations' own record."""
    return [str(row[0]) for row in connection.execute(_TABLES, {}).fetchall()]


def blocks(connection: psycopg.Connection, daemon: str, auditor: str, web: str) -> dict[str, Block]:
    """A block for each table, and one for the privileges of the two roles."""
    names = table_names(connection)
    return {
        **{f"table {name}": partial(_table_block, connection, name) for name in names},
        "privileges": partial(_privileges, connection, daemon, auditor, web),
        "stored data": partial(_stored_data, names),
    }


def _stored_data(names: list[str], old: str) -> str:
    """A row for each table: what is kept how long stands in the code, the rest is written by hand."""
    rows = [[f"`{name}`", _kept_for(name)] for name in names]
    return table(("table", "kept for", "what could be about a person"), rows, old, by_hand=1)


def _kept_for(name: str) -> str:
    days = {
        "events": f"{service_record.EVENT_DAYS} days after the event",
        "reads": f"{service_record.READ_DAYS} days",
        "rechecks": f"until its verdict; {service_record.RECHECK_DAYS} days if complete sweeps give it none",
        "payment_views": f"{service_record.VIEW_DAYS} days",
        "outbox": f"{service_record.OUTBOX_DAYS} days after its delivery",
        "sweeps": f"{service_record.SWEEP_DAYS} days if it stored nothing, else without limit",
        "sweep_requests": f"{service_record.REQUEST_DAYS} days after its answer",
        "sweep_request_lines": f"until the command has read them, {service_record.LINE_DAYS} day at most",
        "replicas": "an hour after the process ended",
        "pauses": "until the pause ends",
    }
    return days.get(name, "without limit")


def _rows(
    connection: psycopg.Connection, query: LiteralString, **values: str
) -> list[tuple[object, ...]]:
    return connection.execute(query, values).fetchall()


def _table_block(connection: psycopg.Connection, name: str, old: str) -> str:
    columns = [
        [f"`{column}`", f"{kind}{', null' if may_be_null else ''}"]
        for column, kind, may_be_null in _rows(connection, _COLUMNS, table=name)
    ]
    keys = [f"- `{key}`" for (key,) in _rows(connection, _KEYS, table=name)]
    return table(("column", "type", "meaning"), columns, old, by_hand=1) + "\n\n" + "\n".join(keys)


def _privileges(
    connection: psycopg.Connection, daemon: str, auditor: str, web: str, old: str
) -> str:
    rights = [rights_of(connection, role) for role in (daemon, auditor, web)]
    objects = sorted({(right.kind, right.name) for found in rights for right in found})
    rows = [
        [f"{kind.lower()} `{name}`", *(_of_role(found, kind, name) for found in rights)]
        for kind, name in objects
    ]
    return table(
        ("object", "the daemon's role", "the auditor's role", "the pages' role"), rows, old
    )


def _of_role(rights: frozenset[Right], kind: str, name: str) -> str:
    order = ("USAGE", "EXECUTE", "SELECT", "INSERT", "UPDATE", "DELETE")
    found = sorted(
        (right for right in rights if (right.kind, right.name) == (kind, name)),
        key=lambda right: order.index(right.privilege),
    )
    return ", ".join(_words(right) for right in found) or "none"


def _words(right: Right) -> str:
    if not right.columns:
        return right.privilege
    return f"{right.privilege} of {', '.join(f'`{column}`' for column in right.columns)}"
