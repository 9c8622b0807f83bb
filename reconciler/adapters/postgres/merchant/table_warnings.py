"""What doctor warns of in a merchant's table that fits its mapping: missing indexes, hidden rows, unused values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    TableColumn,
    quoted,
)
from reconciler.adapters.postgres.merchant.inspection import Inspection
from reconciler.adapters.postgres.merchant.lookups import index_for, is_served
from reconciler.adapters.postgres.merchant.sql_texts import shown_text
from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.errors import ConfigurationFault as Warned

_COSTS: Final = {
    "payment_intent": "a sweep reads the whole table once for every 2,000 PaymentIntents",
    "order": (
        "to find orders that were paid twice, a sweep reads the whole table once for every 2,000 PaymentIntents"
    ),
    "created": "a sweep over a range of time reads the whole table",
}
"""What a missing index costs, by the part that its column plays."""
_LOOKED_UP: Final = ("payment_intent", "order")
"""The parts that a page is looked up by."""


def warnings_of(database: Database, inspection: Inspection) -> tuple[Warned, ...]:
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
    # a lookup that PostgreSQL refuses is a fault already
    if not inspection.faults:
        warnings.extend(_index_warnings(database, relation, columns))
    if relation.hides_rows:
        warnings.append(
            Warned(
                f"Row security hides rows of {relation.full_name} from the role {relation.role}: "
                "Reconciler would report the payments in these rows as missing.",
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
                f'[payments.read] "{value}" = "{outcome.value}": no row can have this status, '
                f"because {column.name} is {column.declared}{members}.",
                "Check how the status is spelled.",
            )


def _partial_refund_warnings(statuses: StatusMap) -> Iterator[Warned]:
    """Words for a partial refund that are read as a refund of everything."""
    for value, outcome in statuses.read.items():
        if outcome is Outcome.REFUNDED and "partial" in value.lower():
            yield Warned(
                f'[payments.read] "{value}" = "refunded": the outcome refunded means that all of '
                "the money went back. Every payment with this status would be reported as "
                "refund_missing.",
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
            f"{key.name} has no unique index of its own: Reconciler does not correct rows that share a key.",
            f"Run: CREATE UNIQUE {_index(relation)} ON {relation.quoted_name} ({quoted([key])});",
        )
    if key.is_nullable:
        yield Warned(
            f"{key.name} may be NULL: no sweep lists or corrects a row without a key.",
            f"Run: ALTER TABLE {relation.quoted_name} ALTER COLUMN {quoted([key])} SET NOT NULL;",
        )


def _index_warnings(
    database: Database, relation: Relation, columns: Mapping[str, TableColumn]
) -> Iterator[Warned]:
    is_table = relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED)
    for part, cost in _COSTS.items():
        column = columns.get(part)
        if column is None:
            continue
        if is_table and column.sql_text is None:
            if not relation.is_indexed(column, columns.get("account")):
                index = f"CREATE {_index(relation)} ON {relation.quoted_name} ({quoted([column])});"
                yield Warned(
                    f"No index supports a search by {column.name}: {cost}.", f"Run: {index}"
                )
        elif part in _LOOKED_UP and not is_served(database, relation, column):
            yield _lookup_warning(database, relation, column, cost)


def _lookup_warning(
    database: Database, relation: Relation, column: TableColumn, cost: str
) -> Warned:
    """What the planner says about an SQL text or a view; the index that serves it may belong to a table below."""
    shown = column.name if column.sql_text is None else shown_text(column.sql_text)
    index = index_for(database, relation, column)
    if index is None:
        return Warned(
            f"No index can support a search by {shown}: {cost}.",
            "Keep the value in a column of its own, and map that column.",
        )
    return Warned(f"No index supports a search by {shown}: {cost}.", f"Run: {index}")


def _index(relation: Relation) -> str:
    """How an index is created without a lock that stops the checkout; a partitioned table cannot have that."""
    return "INDEX" if relation.kind is RelationKind.PARTITIONED else "INDEX CONCURRENTLY"
