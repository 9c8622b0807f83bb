"""What the role may not do with the merchant's table, each with the GRANT that ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from psycopg import sql

from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    TableColumn,
    quoted,
)
from reconciler.errors import ConfigurationFault as Fault


def privilege_faults(
    relation: Relation, found: Mapping[str, TableColumn], *, writes: bool, links: bool
) -> Iterator[Fault]:
    """Every privilege that is missing, and columns that cannot be written. ``links`` is whether intents are filled in."""
    role = sql.Identifier(relation.role).as_string()
    if not relation.may_use_schema:
        schema = sql.Identifier(relation.schema).as_string()
        yield Fault(
            f"The role {relation.role} may not use the schema {relation.schema}.",
            f"Run: GRANT USAGE ON SCHEMA {schema} TO {role};",
        )
    unread = [column for column in found.values() if not column.may_select]
    if unread:
        yield Fault(
            f"The role {relation.role} may not read {_joined(unread)} of {relation.full_name}.",
            f"Run: GRANT SELECT ({quoted(unread)}) ON {relation.quoted_name} TO {role};",
        )
    if not writes:
        return

    # rows of a foreign table cannot be locked before they are corrected
    if not relation.is_updatable or relation.kind is RelationKind.FOREIGN:
        yield Fault(
            f"Reconciler cannot correct rows of {relation.full_name}: only a table or a simple "
            "view of this database can be written.",
            "Set [payments] table to the table itself.",
        )
        return

    # only these columns are ever written, so only they need UPDATE
    parts = ["status", "updated", *(["payment_intent"] if links else [])]
    # an SQL text is never written
    written = [found[part] for part in parts if part in found and found[part].sql_text is None]
    generated = [column for column in written if column.is_generated]
    if generated:
        yield Fault(
            f"PostgreSQL generates {_joined(generated)} of {relation.full_name}, so Reconciler "
            "cannot write it.",
            "Map the column that PostgreSQL makes it from.",
        )
    forbidden = [column for column in written if not column.may_update]
    if forbidden:
        yield Fault(
            f"The role {relation.role} may not write {_joined(forbidden)} of {relation.full_name}.",
            f"Run: GRANT UPDATE ({quoted(forbidden)}) ON {relation.quoted_name} TO {role};",
        )


def _joined(columns: Sequence[TableColumn]) -> str:
    return ", ".join(column.name for column in columns)
