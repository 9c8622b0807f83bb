"""Finds the tables that hold ids of Stripe's, among thousands, by some rows of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    in_parentheses,
)
from reconciler.adapters.postgres.sampling.row_sample import (
    SMALL,
    estimated_rows,
    set_sample_timeout,
)
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES

_SQL: Final = STATEMENTS["sampling"]
_TEMPLATES: Final = TEMPLATES["sampling"]
_DOING: Final = "looking for the table with the payments"
_HOLDS_ID: Final = {"text": "holds_id", "json": "holds_id_in_document", "list": "holds_id_in_list"}
"""The template by the kind of a column."""
AT_ONCE: Final = 25
"""Tables that one statement looks into."""
SECONDS_A_TABLE: Final = 2
MOST_COLUMNS: Final = 60
"""Text columns of a table that are looked into."""


@dataclass(frozen=True, slots=True)
class NamedRelation:
    """A table or view, with the columns that this role may read. ``kinds`` are "text", "json", "list" or "other"."""

    schema: str
    name: str
    kind: RelationKind
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: str | None

    @property
    def full_name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.name}"

    @property
    def searched(self) -> list[tuple[str, str]]:
        """The columns that can hold an id of Stripe's, and their kinds."""
        # psycopg reads a % in a name as the start of a parameter
        if "%" in f"{self.full_name}{self.key or ''}":
            return []
        both = zip(self.columns, self.kinds, strict=True)
        return [(name, kind) for name, kind in both if kind != "other" and "%" not in name][
            :MOST_COLUMNS
        ]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table with ids of Stripe's: how many of up to 500 rows hold one in the column that holds the most."""

    relation: NamedRelation
    hits: int


def readable_relations(database: Database) -> tuple[NamedRelation, ...]:
    """Every table and view of which this role may read a column."""
    with database.connection(_DOING) as connection:
        rows = connection.execute(_SQL["candidate_relations"], {}).fetchall()
    return tuple(
        NamedRelation(schema, name, RelationKind(kind), tuple(columns), tuple(kinds), key)
        for schema, name, kind, columns, kinds, key in rows
    )


def find_candidates(
    database: Database, relations: Sequence[NamedRelation], is_over: Callable[[], bool]
) -> tuple[list[Candidate], int]:
    """The tables that hold ids of Stripe's, and how many relations were not looked into because time was over."""
    found: list[Candidate] = []
    waiting = [relation for relation in relations if relation.searched]
    while waiting and not is_over():
        batch, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        try:
            found += _count_ids(database, batch)
        except _UnreadableError:
            # one view that fails or takes too long must not hide the tables beside it
            found += _one_by_one(database, batch, is_over)
    return found, len(waiting)


class _UnreadableError(Exception):
    """A statement over several tables failed."""


def _one_by_one(
    database: Database, batch: Sequence[NamedRelation], is_over: Callable[[], bool]
) -> Iterator[Candidate]:
    for relation in batch:
        if is_over():
            return
        try:
            yield from _count_ids(database, [relation])
        except _UnreadableError:
            continue  # what cannot be read is no table that a sweep could read


def _count_ids(database: Database, batch: Sequence[NamedRelation]) -> list[Candidate]:
    """Count the ids in some rows of each table, in one statement. Raises _UnreadableError."""
    query = sql.SQL("\nUNION ALL\n").join(
        sql.SQL("({})").format(_counts(number, relation)) for number, relation in enumerate(batch)
    )
    with database.snapshot(_DOING) as connection:
        set_sample_timeout(connection, SECONDS_A_TABLE)
        try:
            rows = connection.execute(query.as_bytes(None)).fetchall()
        except psycopg.Error:
            if connection.closed:
                raise
            connection.rollback()
            raise _UnreadableError from None
    hits = {number: max(counts, default=0) for number, counts in rows}
    return [
        Candidate(relation, hits[number]) for number, relation in enumerate(batch) if hits[number]
    ]


def _counts(number: int, relation: NamedRelation) -> sql.Composable:
    searched = relation.searched
    ordered: sql.Composable = sql.SQL("")
    # the newest rows by the primary key, which has an index
    if relation.key is not None and relation.key in relation.columns:
        ordered = sql.SQL("ORDER BY {} DESC").format(sql.Identifier("t", relation.key))
    return _TEMPLATES["ids_in_relation"].format(
        number=sql.Literal(number),
        counts=sql.SQL(", ").join(
            _TEMPLATES[_HOLDS_ID[kind]].format(column=sql.Identifier("s", name))
            for name, kind in searched
        ),
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name, _ in searched),
        table=sql.Identifier(relation.schema, relation.name),
        ordered=ordered,
    )


def count_words(
    database: Database, relation: Relation, status: str, condition: str | None
) -> dict[str | None, int] | None:
    """How many rows hold each word of a status, an SQL text; None if that would read a large table, or takes too long."""
    with database.snapshot("counting the statuses") as connection:
        if is_large(connection, relation):
            return None
        set_sample_timeout(connection)
        query = _TEMPLATES["words_counted"].format(
            status=in_parentheses(status),
            table=sql.Identifier(relation.schema, relation.name),
            condition=sql.SQL("true") if condition is None else in_parentheses(condition),
        )
        try:
            return dict(connection.execute(query.as_bytes(None), {}).fetchall())
        except psycopg.errors.QueryCanceled:
            return None


def is_large(connection: Connection, relation: Relation) -> bool:
    """Whether a table is too large to be read whole. A view is not known to be large."""
    is_stored = relation.kind in (
        RelationKind.TABLE,
        RelationKind.PARTITIONED,
        RelationKind.MATERIALIZED,
    )
    return is_stored and estimated_rows(connection, relation) > 5 * SMALL
