"""Whether the merchant's table is what the configuration says it is: every fault at once, each with its mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    find_relation,
    relation_names,
)
from reconciler.adapters.postgres.merchant.columns import ColumnKind, TableColumn
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.status_values import status_faults, status_warnings
from reconciler.adapters.postgres.merchant.table_mapping import TableMapping
from reconciler.errors import ConfigurationError

_WORDS: Final = (ColumnKind.TEXT, ColumnKind.PADDED)
_NAMES: Final = (*_WORDS, ColumnKind.ENUM)
_FITTING: Final = {
    "payment_intent": (_WORDS, "text"),
    "status": ((*_NAMES, ColumnKind.INTEGER), "text, an enum or an integer"),
    "amount": ((ColumnKind.INTEGER, ColumnKind.NUMERIC), "integer or numeric"),
    "currency": (_NAMES, "text or an enum"),
    "order": (
        (*_NAMES, ColumnKind.INTEGER, ColumnKind.NUMERIC, ColumnKind.UUID),
        "text, integer or uuid",
    ),
    "account": (_NAMES, "text or an enum, for it holds the names of [[accounts]]"),
}
_TIMES: Final = ("created", "updated")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspection found. ``table`` is None where there is a fault."""

    table: MerchantTable | None
    faults: tuple[str, ...]
    warnings: tuple[str, ...]

    def fitting(self) -> MerchantTable:
        """The table; raises ConfigurationError with every fault where it does not fit."""
        if self.table is None:
            raise ConfigurationError(self.faults)
        return self.table


def inspect(
    database: Database,
    mapping: TableMapping,
    *,
    writes: bool,
    links: bool = False,
    accounts: Sequence[str] = ("default",),
) -> Inspection:
    """Compare the mapping with the catalog.

    ``writes`` is whether rows are going to be corrected, ``links`` whether their PaymentIntent may be filled in: they
    decide which privileges are needed. ``accounts`` are the names of all accounts. Faults keep the program from
    starting; warnings are for doctor. Raises only what the database's connection raises.
    """
    names = _names(mapping)
    relation = find_relation(database, mapping.table)
    if relation is None:
        return Inspection(None, (_no_table(database, mapping.table),), ())
    columns = {role: relation.column(name) for role, name in names.items()}
    found = {role: column for role, column in columns.items() if column is not None}
    faults = [
        *_name_faults(relation, names, columns),
        *_mapping_faults(mapping, found, accounts, writes=writes),
        *(fault for role, column in found.items() for fault in _type_faults(mapping, role, column)),
        *_privilege_faults(relation, found, writes=writes, links=links),
    ]
    warnings: list[str] = []
    if "status" in found:
        faults.extend(status_faults(mapping.statuses, found["status"]))
        warnings.extend(status_warnings(mapping.statuses, found["status"]))
    warnings.extend(_index_warnings(relation, found))
    if relation.hides_rows:
        warnings.append(
            f"Row security hides rows of {_table_name(relation)} from the role {relation.role}: payments in them would"
            f" be reported as missing. Let it see all rows, with a policy or BYPASSRLS."
        )
    table = None
    if not faults:
        table = MerchantTable(mapping, relation.schema, relation.name, **found)
    return Inspection(table, tuple(faults), tuple(warnings))


def _names(mapping: TableMapping) -> dict[str, str]:
    names = {
        "key": mapping.key,
        "payment_intent": mapping.payment_intent,
        "status": mapping.status,
        "amount": mapping.amount,
        "currency": mapping.currency,
        "created": mapping.created,
        "updated": mapping.updated,
        "order": mapping.order,
        "account": mapping.account,
    }
    return {role: name for role, name in names.items() if name is not None}


def _no_table(database: Database, table: str) -> str:
    hint = _nearest(table, relation_names(database))
    return f"[payments] table: there is no table {table}{hint}. Write it as schema.table, as the database stores it."


def _nearest(name: str, others: Sequence[str]) -> str:
    """A hint at a name that differs in case or by a slip; nothing where there is none like it."""
    folded = {other.lower(): other for other in others}
    folded |= {other.partition(".")[2].lower(): other for other in others if "." in other}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def _name_faults(
    relation: Relation, names: dict[str, str], columns: dict[str, TableColumn | None]
) -> Iterator[str]:
    present = [column.name for column in relation.columns]
    for role, name in names.items():
        if columns[role] is None:
            hint = _nearest(name, present) or f"; it has {', '.join(present[:12])}"
            yield f"[payments] {role}: {_table_name(relation)} has no column {name}{hint.rstrip('?')}. Correct the name."
        elif "%" in name:
            yield f"[payments] {role}: a column's name with % in it is not supported ({name}). Map a view that renames it."
    if "%" in relation.schema + relation.name:
        yield "[payments] table: a name with % in it is not supported. Map a view with another name."


def _mapping_faults(
    mapping: TableMapping, found: dict[str, TableColumn], accounts: Sequence[str], *, writes: bool
) -> Iterator[str]:
    if (mapping.currency is None) == (mapping.currency_constant is None):
        yield "[payments]: give either currency (a column) or currency_constant (one currency for all rows)."
    if len(accounts) > 1 and mapping.account is None:
        yield "[payments] account: several [[accounts]] need a column that says which one a row belongs to."
    account = found.get("account")
    if account is not None and account.kind in _NAMES:
        strange = [name for name in accounts if not account.holds(name)]
        if strange:
            yield (
                f"[payments] account: the column {account.name} ({account.declared}) cannot hold"
                f" {', '.join(strange)}. Name the [[accounts]] as the column does."
            )
    if writes and mapping.updated in (mapping.status, mapping.payment_intent, mapping.key):
        yield f"[payments] updated: {mapping.updated} has another part already. Name the column that keeps the time."


def _type_faults(mapping: TableMapping, role: str, column: TableColumn) -> Iterator[str]:
    said = f"[payments] {role}: the column {column.name} is {column.declared}"
    if role in _TIMES:
        yield from _time_faults(mapping, role, column)
    elif column.kind is ColumnKind.FLOAT:
        yield f"{said}, and floating point cannot hold {'money' if role == 'amount' else 'it'} exactly. Change its type to numeric."
    elif role in _FITTING and column.kind not in _FITTING[role][0]:
        yield f"{said}; it has to be {_FITTING[role][1]}. Map another column, or a view that casts it."


def _time_faults(mapping: TableMapping, role: str, column: TableColumn) -> Iterator[str]:
    unit = mapping.created_unit
    said = f"[payments] {role}: the column {column.name} is {column.declared}"
    if column.is_time(None):
        if role == "created" and unit is not None:
            yield f'{said}, and created_unit = "{unit}" is for numbers. Leave created_unit out.'
    elif not column.is_time("s"):
        yield f"{said}; it has to be a timestamp, a date or a number. Map another column, or a view that casts it."
    elif unit is None:
        yield f'{said}: say what it counts since 1970, with created_unit = "s" or "ms".'
    elif unit == "ms" and column.type_name in ("int2", "int4"):
        yield f"{said}, which is too small for milliseconds. Correct created_unit."


def _privilege_faults(
    relation: Relation, found: dict[str, TableColumn], *, writes: bool, links: bool
) -> Iterator[str]:
    role = sql.Identifier(relation.role).as_string()
    table = sql.Identifier(relation.schema, relation.name).as_string()
    if not relation.may_use_schema:
        schema = sql.Identifier(relation.schema).as_string()
        yield f"The role {relation.role} may not use the schema {relation.schema}. Run: GRANT USAGE ON SCHEMA {schema} TO {role};"
    unread = [column for column in found.values() if not column.may_select]
    if unread:
        yield (
            f"The role {relation.role} may not read {_list(unread)} of {_table_name(relation)}."
            f" Run: GRANT SELECT ({_quoted(unread)}) ON {table} TO {role};"
        )
    if not writes:
        return
    if not relation.is_updatable or relation.kind is RelationKind.FOREIGN:
        yield f"{_table_name(relation)} cannot be corrected in place: it is no table or simple view of this database. Map the table itself."
        return
    parts = ["status", "updated", *(["payment_intent"] if links else [])]
    written = [found[part] for part in parts if part in found]
    made = [column for column in written if column.is_generated]
    if made:
        yield f"{_list(made)} of {_table_name(relation)} is generated and cannot be written. Map the column that it is made from."
    locked = [column for column in written if not column.may_update]
    if locked:
        yield (
            f"The role {relation.role} may not write {_list(locked)} of {_table_name(relation)}."
            f" Run: GRANT UPDATE ({_quoted(locked)}) ON {table} TO {role};"
        )


def _index_warnings(relation: Relation, found: dict[str, TableColumn]) -> Iterator[str]:
    if relation.kind not in (RelationKind.TABLE, RelationKind.PARTITIONED):
        return
    partitioned = relation.kind is RelationKind.PARTITIONED
    create = "INDEX" if partitioned else "INDEX CONCURRENTLY"
    key = found.get("key")
    # a unique index of a partitioned table has to hold the partition's column too
    columns = 1 if partitioned else None
    if key is not None and not any(
        index.is_unique and index.columns[:columns] == (key.name,) for index in relation.indexes
    ):
        yield (
            f"No unique index is on {key.name} alone: two rows with one key cannot be told apart and are not corrected."
            f" Run: CREATE UNIQUE {create} ON {_quoted_table(relation)} ({_quoted([key])});"
        )
    if key is not None and key.is_nullable:
        yield (
            f"{key.name} may be NULL: a row without a key is listed by no sweep and cannot be corrected."
            f" Run: ALTER TABLE {_quoted_table(relation)} ALTER COLUMN {_quoted([key])} SET NOT NULL;"
        )
    costs = {
        "payment_intent": "every page of a sweep reads the whole table",
        "order": "looking for an order paid twice reads the whole table",
        "created": "passes over a range of time read the whole table",
    }
    for part, cost in costs.items():
        column = found.get(part)
        if column is not None and not _is_served(relation, column, found.get("account")):
            yield (
                f"No index serves {column.name}: {cost}."
                f" Run: CREATE {create} ON {_quoted_table(relation)} ({_quoted([column])});"
            )


def _is_served(relation: Relation, column: TableColumn, account: TableColumn | None) -> bool:
    leading = (account.name if account else None, column.name)
    return any(
        index.columns[:1] == (column.name,) or (account and index.columns[:2] == leading)
        for index in relation.indexes
    )


def _table_name(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}"


def _quoted_table(relation: Relation) -> str:
    return sql.Identifier(relation.schema, relation.name).as_string()


def _list(columns: Sequence[TableColumn]) -> str:
    return ", ".join(column.name for column in columns)


def _quoted(columns: Sequence[TableColumn]) -> str:
    return ", ".join(sql.Identifier(column.name).as_string() for column in columns)
