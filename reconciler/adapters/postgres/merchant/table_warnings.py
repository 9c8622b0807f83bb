"""What doctor warns of in a merchant's table that fits its mapping: missing indexes, hidden rows, unused values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    TableColumn,
    quoted,
)
from reconciler.adapters.postgres.merchant.inspection import Inspection
from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.errors import ConfigurationFault as Warned

_COSTS: Final = {
    "payment_intent": "every page of a sweep reads the whole table",
    "order": "looking for an order paid twice reads the whole table",
    "created": "sweeps over a range of time read the whole table",
}
"""What a missing index costs, by the part that its column plays."""


def warnings_of(inspection: Inspection) -> tuple[Warned, ...]:
    """Every warning, each with the statement or the change that ends it; none if there is no such table."""
    relation, columns = inspection.relation, inspection.columns
    if relation is None:
        return ()

    warnings: list[Warned] = []
    if "status" in columns:
        warnings.extend(_status_warnings(inspection.mapping.statuses, columns["status"]))
    warnings.extend(_partial_refund_warnings(inspection.mapping.statuses))
    # a view has no index of its own
    if relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED):
        warnings.extend(_key_warnings(relation, columns.get("key")))
        warnings.extend(_index_warnings(relation, columns))
    if relation.hides_rows:
        warnings.append(
            Warned(
                f"Row security hides rows of {relation.full_name} from the role {relation.role}:"
                " payments in them would be reported as missing.",
                "Let the role see all rows: give it a policy or BYPASSRLS.",
            )
        )
    return tuple(warnings)


def _status_warnings(statuses: StatusMap, column: TableColumn) -> Iterator[Warned]:
    """Values to read that no row can have: misspelt, most likely."""
    held = set(column.held(statuses.read))
    members = f" ({', '.join(column.members)})" if column.members else ""
    for value, outcome in statuses.read.items():
        too_long = column.length is not None and len(value) > column.length
        if value not in held or too_long or column.loses_blanks_of(value):
            yield Warned(
                f'[payments.read] "{value}" = "{outcome.value}": no row can have this value,'
                f" {column.name} is {column.declared}{members}.",
                "Check its spelling.",
            )


def _partial_refund_warnings(statuses: StatusMap) -> Iterator[Warned]:
    """Words for a partial refund that are read as a refund of everything."""
    for value, outcome in statuses.read.items():
        if outcome is Outcome.REFUNDED and "partial" in value.lower():
            yield Warned(
                f'[payments.read] "{value}" = "refunded": a partial refund is not a refund, and every such payment'
                " becomes a refund_missing.",
                f'Write: "{value}" = "succeeded".',
            )


def _key_warnings(relation: Relation, key: TableColumn | None) -> Iterator[Warned]:
    if key is None:
        return
    # a unique index of a partitioned table has to hold the partition's column too
    compared = 1 if relation.kind is RelationKind.PARTITIONED else None
    unique = any(
        index.is_unique and index.columns[:compared] == (key.name,) for index in relation.indexes
    )
    if not unique:
        yield Warned(
            f"No unique index is on {key.name} alone: two rows with one key cannot be told apart and are not corrected.",
            f"Run: CREATE UNIQUE {_index(relation)} ON {relation.quoted_name} ({quoted([key])});",
        )
    if key.is_nullable:
        yield Warned(
            f"{key.name} may be NULL: no sweep lists or corrects a row without a key.",
            f"Run: ALTER TABLE {relation.quoted_name} ALTER COLUMN {quoted([key])} SET NOT NULL;",
        )


def _index_warnings(relation: Relation, columns: Mapping[str, TableColumn]) -> Iterator[Warned]:
    for part, cost in _COSTS.items():
        column = columns.get(part)
        # the catalog names no column for an index on an expression
        if column is None or column.sql_text is not None:
            continue
        if not _is_indexed(relation, column, columns.get("account")):
            yield Warned(
                f"No index serves {column.name}: {cost}.",
                f"Run: CREATE {_index(relation)} ON {relation.quoted_name} ({quoted([column])});",
            )


def _is_indexed(relation: Relation, column: TableColumn, account: TableColumn | None) -> bool:
    """Whether an index begins with the column, or with the account's column and then this one."""
    leading = (account.name if account else None, column.name)
    return any(
        index.columns[:1] == (column.name,)
        or (account is not None and index.columns[:2] == leading)
        for index in relation.indexes
    )


def _index(relation: Relation) -> str:
    """How an index is created without a lock that stops the checkout; a partitioned table cannot have that."""
    return "INDEX" if relation.kind is RelationKind.PARTITIONED else "INDEX CONCURRENTLY"
