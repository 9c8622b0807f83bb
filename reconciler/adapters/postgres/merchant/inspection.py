"""Whether the merchant's table is what the configuration says it is: every fault at once, each with its hint.

Faults keep every command from starting. What is only slow or doubtful is in ``table_warnings``, for doctor.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import (
    NUMBERS,
    TIMESTAMPS,
    ColumnKind,
    Relation,
    RelationKind,
    TableColumn,
    find_relation,
    relation_names,
)
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.payment_counts import NO_SAMPLE, IdSample, sample_ids
from reconciler.adapters.postgres.merchant.privilege_faults import privilege_faults
from reconciler.adapters.postgres.merchant.row_condition import condition_faults
from reconciler.adapters.postgres.merchant.set_columns import read_set_columns, status_text_faults
from reconciler.adapters.postgres.merchant.sql_texts import read_sql_texts
from reconciler.domain.model.payment import AccountRows, SqlText, StatusMap, TableMapping
from reconciler.errors import ConfigurationError, ValueFailedError
from reconciler.errors import ConfigurationFault as Fault

_TEXTS: Final = (ColumnKind.TEXT, ColumnKind.PADDED)
_NAMES: Final = (*_TEXTS, ColumnKind.ENUM)
_ACCOUNTS: Final = (*_NAMES, ColumnKind.INTEGER, ColumnKind.UUID)
_ACCEPTED: Final = {
    "payment_intent": (_TEXTS, "text"),
    "status": (
        (*_NAMES, ColumnKind.INTEGER, ColumnKind.BOOLEAN),
        "text, an enum, an integer or a boolean",
    ),
    "amount": ((ColumnKind.INTEGER, ColumnKind.NUMERIC), "integer or numeric"),
    "currency": (_NAMES, "text or an enum"),
    "order": (
        (*_NAMES, ColumnKind.INTEGER, ColumnKind.NUMERIC, ColumnKind.UUID),
        "text, integer or uuid",
    ),
    "account": (
        _ACCOUNTS,
        "text, an enum, an integer or a uuid, because it holds the value of each of [[accounts]]",
    ),
}
"""The kinds of column that each part of the mapping may have, and their names for a message."""
MOST_TRIED: Final = 100_000
"""So many rows are evaluated with ``tries_texts``."""
_TIMES: Final = ("created", "updated")
_PARTS: Final = (
    "key",
    "payment_intent",
    "status",
    "amount",
    "currency",
    "created",
    "updated",
    "order",
    "account",
)
"""The parts of the mapping that are columns, in the order in which messages name them."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an inspection found.

    ``relation`` is None if there is no such table, ``table`` is None if there is a fault. ``columns`` are the mapped
    columns that exist, by the part that they play. ``ids`` is what the newest rows hold, looked at if there is no fault.
    """

    mapping: TableMapping
    relation: Relation | None
    columns: Mapping[str, TableColumn]
    faults: tuple[Fault, ...]
    table: MerchantTable | None = None
    ids: IdSample = NO_SAMPLE

    def table_or_raise(self) -> MerchantTable:
        """The table. Raises ConfigurationError with every fault if it does not fit the mapping."""
        if self.table is None:
            raise ConfigurationError(self.faults)
        return self.table


def inspect(
    database: Database,
    mapping: TableMapping,
    *,
    writes: bool,
    links: bool = False,
    accounts: Sequence[AccountRows] = (AccountRows("default"),),
    account_rows: AccountRows | None = None,
    tries_texts: bool = False,
) -> Inspection:
    """Compare the mapping with the catalog.

    ``writes`` is whether rows are going to be corrected, ``links`` whether their PaymentIntent may be filled in: they
    decide which privileges are needed. ``accounts`` says which rows belong to each account, ``account_rows`` which to
    the one that is worked on. With ``tries_texts`` the SQL texts are evaluated for many rows at once, and rows for which one
    fails are set aside; else that is done when the first is met. Raises only what the database's connection raises.
    """
    names = _names(mapping)
    relation = find_relation(database, mapping.table)
    # without a table there is nothing else to compare
    if relation is None:
        return Inspection(mapping, None, {}, (_no_table(database, mapping.table),))

    # every fault at once: a person should not have to start the program again for each
    by_name = {column.name: column for column in relation.columns}
    found = {role: by_name[name] for role, name in names.items() if name in by_name}
    faults: tuple[Fault, ...] = ()
    if texts := _sql_texts(mapping):
        expressions, faults = read_sql_texts(database, relation, texts)
        found |= expressions
    set_columns: tuple[TableColumn, ...] = ()
    of_set: tuple[Fault, ...] = ()
    if mapping.set:
        set_columns, of_set = read_set_columns(database, relation, mapping, writes=writes)
    status = found.get("status")
    faults += (
        *_name_faults(relation, names, by_name),
        *_mapping_faults(mapping, found, accounts, writes=writes),
        *(fault for role, column in found.items() for fault in _type_faults(mapping, role, column)),
        *privilege_faults(relation, found, writes=writes, links=links),
        *_status_faults(mapping.statuses, status),
        *(status_text_faults(mapping) if writes and status and status.sql_text else ()),
        *of_set,
        *(() if mapping.where is None else condition_faults(database, relation, mapping.where)),
    )
    if faults:
        return Inspection(mapping, relation, found, faults)
    table = MerchantTable(
        mapping,
        relation.schema,
        relation.name,
        has_secrets=False,
        order_is_indexed=_is_served(database, relation, found, "order"),
        intent_is_indexed=_is_served(database, relation, found, "payment_intent"),
        account_rows=account_rows,
        set_columns=set_columns,
        has_texts=bool(texts) or mapping.where is not None,
        **found,  # type: ignore[arg-type]
    )
    if tries_texts and table.has_texts:
        table = _with_unreadable_aside(database, table, MOST_TRIED)
    try:
        ids = sample_ids(database, table)
    except ValueFailedError:
        if not table.has_texts or table.unreadable:
            raise
        table = _with_unreadable_aside(database, table)
        ids = sample_ids(database, table)
    if ids.client_secrets:
        # PostgreSQL still takes an index on the id in front of the secret
        table = replace(table, has_secrets=True, intent_is_indexed=False)
    return Inspection(mapping, relation, found, (), table, ids)


def _with_unreadable_aside(
    database: Database, table: MerchantTable, most_rows: int | None = None
) -> MerchantTable:
    """The table without the rows for which an SQL text fails."""
    # imported here: hardly any table has such a row
    from reconciler.adapters.postgres.merchant.unreadable_rows import (
        find_unreadable,
        without_unreadable,
    )

    return without_unreadable(table, find_unreadable(database, table, most_rows))


def _is_served(
    database: Database, relation: Relation, found: Mapping[str, TableColumn], part: str
) -> bool:
    """Whether an index serves lookups by a part of the mapping."""
    column = found.get(part)
    if column is None:
        return False
    if column.sql_text is None and relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED):
        return relation.is_indexed(column, found.get("account"))
    # the catalog shows no index of a view and of an SQL text
    from reconciler.adapters.postgres.merchant.lookups import is_served

    return is_served(database, relation, column)


def _names(mapping: TableMapping) -> dict[str, str]:
    """The mapped columns: the part that each plays, and its name."""
    names = {role: getattr(mapping, role) for role in _PARTS}
    return {role: name for role, name in names.items() if isinstance(name, str)}


def _sql_texts(mapping: TableMapping) -> dict[str, SqlText]:
    """The SQL texts in the place of columns, by the part that each plays."""
    texts = {role: getattr(mapping, role) for role in _PARTS}
    return {role: text for role, text in texts.items() if isinstance(text, SqlText)}


def _no_table(database: Database, table: str) -> Fault:
    nearest = _nearest(table, relation_names(database))
    return Fault(
        f"[payments] table: there is no table {table}{nearest}.",
        "Write it as schema.table, as the database stores it.",
    )


def _nearest(name: str, others: Sequence[str]) -> str:
    """A question that names a similar table or column, or an empty text if none is similar."""
    folded = {other.lower(): other for other in others}
    folded |= {other.partition(".")[2].lower(): other for other in others if "." in other}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    return f"; the nearest name is {folded[near[0]]}" if near else ""


def _name_faults(
    relation: Relation, names: Mapping[str, str], by_name: Mapping[str, TableColumn]
) -> Iterator[Fault]:
    for role, name in names.items():
        if name not in by_name:
            columns = _nearest(name, list(by_name)) or f"; it has {', '.join(list(by_name)[:12])}"
            yield Fault(
                f"[payments] {role}: {relation.full_name} has no column {name}{columns}.",
                "Correct the name.",
            )
        elif "%" in name:
            # psycopg would read the % as the start of a parameter
            yield Fault(
                f"[payments] {role}: the column's name {name} contains a %, which Reconciler does not support.",
                "Create a view that renames the column, and name the view in [payments] table.",
            )
    if "%" in relation.schema + relation.name:
        yield Fault(
            "[payments] table: the table's name contains a %, which Reconciler does not support.",
            "Create a view with another name, and name the view in [payments] table.",
        )


def _mapping_faults(
    mapping: TableMapping,
    found: Mapping[str, TableColumn],
    accounts: Sequence[AccountRows],
    *,
    writes: bool,
) -> Iterator[Fault]:
    if (mapping.currency is None) == (mapping.currency_constant is None):
        yield Fault(
            "[payments]: set either currency (the column that holds it) or currency_constant (one currency for all rows)."
        )
    if len(accounts) > 1 and mapping.account is None:
        yield Fault(
            "[payments] account: several [[accounts]] need a column that says which one a row belongs to."
        )

    account = found.get("account")
    if account is not None and account.kind in _ACCOUNTS:
        # the account of the rows without one needs no value of its own
        named = [rows.held for rows in accounts if not (rows.holds_null and rows.value is None)]
        held = set(account.held(named))
        strange = [value for value in named if value not in held]
        if strange:
            yield Fault(
                f"[payments] account: {account.shown} ({account.declared}) cannot hold {', '.join(strange)}.",
                "In each of the [[accounts]], set value to what the column holds for the rows of this account.",
            )

    # an UPDATE cannot set one column to a status and to the time
    if writes and mapping.updated in (mapping.status, mapping.payment_intent, mapping.key):
        yield Fault(
            f"[payments] updated: the column {mapping.updated} is already mapped under another key.",
            "Name the column that holds the time of the last change.",
        )


def _type_faults(mapping: TableMapping, role: str, column: TableColumn) -> Iterator[Fault]:
    if role in _TIMES:
        yield from _time_faults(mapping, role, column)
    elif column.kind is ColumnKind.FLOAT:
        what = "money" if role == "amount" else "it"
        yield Fault(
            f"{_declared(role, column)}, and floating point cannot hold {what} exactly.",
            "Change its type to numeric.",
        )
    elif role in _ACCEPTED and column.kind not in _ACCEPTED[role][0]:
        yield Fault(
            f"{_declared(role, column)}; it has to be {_ACCEPTED[role][1]}.",
            "Map another column, or map a view of the table that converts this column to a timestamp.",
        )


def _time_faults(mapping: TableMapping, role: str, column: TableColumn) -> Iterator[Fault]:
    unit = mapping.created_unit
    if column.kind in TIMESTAMPS:
        if role == "created" and unit is not None:
            yield Fault(
                f'{_declared(role, column)}, but created_unit = "{unit}" is for numbers.',
                "Delete created_unit.",
            )
    elif column.kind not in NUMBERS:
        yield Fault(
            f"{_declared(role, column)}; it has to be a timestamp, a date or a number.",
            "Map another column, or map a view of the table that converts this column to a timestamp.",
        )
    elif unit is None:
        yield Fault(
            f'{_declared(role, column)}: set created_unit to "s" if it counts seconds since '
            '1970, or to "ms" if it counts milliseconds.'
        )
    elif unit == "ms" and column.type_name in ("int2", "int4"):
        yield Fault(
            f"{_declared(role, column)}, which is too small for milliseconds.",
            "Correct created_unit.",
        )


def _declared(role: str, column: TableColumn) -> str:
    return f"[payments] {role}: {column.shown} is {column.declared}"


def _status_faults(statuses: StatusMap, column: TableColumn | None) -> Iterator[Fault]:
    """Values to write that the column would not take, or that would not be read back as what they mean."""
    if column is None:
        return
    held = set(column.held(statuses.write.values()))
    for outcome, value in statuses.write.items():
        said = f'[payments.write] {outcome.value} = "{value}"'
        # a value that reads as another outcome would be found again as a discrepancy after its correction
        read_as = statuses.read.get(value)
        if read_as is not outcome:
            means = f"reads this as {read_as.value}" if read_as else "lacks this status"
            yield Fault(
                f"{said}, but [payments.read] {means}.",
                f'Add "{value}" = "{outcome.value}" to [payments.read], or name another value in [payments.write].',
            )
        if column.kind is ColumnKind.ENUM and value not in held:
            yield Fault(
                f"{said} is not a value of the type {column.declared}, which has {', '.join(column.members)}.",
                "Write one of these values.",
            )
        elif value not in held:
            yield Fault(
                f"{said} cannot be a value of {column.name} ({column.declared}).",
                "Write a value that the column can hold.",
            )
        elif column.length is not None and len(value) > column.length:
            yield Fault(
                f"{said} is longer than {column.name} allows ({column.declared}).",
                "Write a shorter value or widen the column.",
            )
        elif column.loses_blanks_of(value):
            yield Fault(
                f"{said} ends in spaces, which the column {column.name} ({column.declared}) does not keep.",
                "Remove these spaces in [payments.write] and in [payments.read].",
            )
