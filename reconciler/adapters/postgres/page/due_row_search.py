"""Searches one account's table for open rows that are due, and counts the rows near them. Only the service loads this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from psycopg import sql
from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import (
    Connection,
    Database,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.merchant.catalog import (
    ColumnKind,
    RelationKind,
    find_relation,
)
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.domain.model.due_row import DueRow, KnownRows
from reconciler.domain.model.recheck import NEXT_POLL
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.due_clusters import (
    Gap,
    count_plan,
    gaps_between,
    histogram_of_due,
    wide_gap_rows,
)
from reconciler.domain.planning.histogram import Histogram, ListingModel

_SQL: Final = STATEMENTS["page"]
_TEMPLATES: Final = TEMPLATES["merchant"]

MOST_REMOVED: Final = 50_000
"""The most planned polls that are removed at once: a first search may find those of months."""
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class DueRowStatements:
    """The statements of a search on one merchant's table; each is composed once."""

    table: MerchantTable

    @cached_property
    def everywhere(self) -> bytes:
        """Rows that are due by ``due_by``, in the whole table."""
        filters = self.table.filters(TimeRange(), only_open=True, due="is_due")
        of_status = filters["of_status"]
        return self.table.compose("due_rows", due_row=self._columns, of_status=of_status)

    def among(self, created: TimeRange) -> bytes:
        """The same among rows that hold one of ``intents`` and rows created in a range."""
        filters = self.table.filters(created, only_open=True, due="is_due_by_key")
        return self.table.compose("due_rows_among", due_row=self._columns, **filters)

    @cached_property
    def rows_in_gaps(self) -> bytes:
        """How many rows each gap from ``since`` to ``until`` holds, up to ``most``."""
        return self.table.compose("rows_in_gaps")

    def rows_in_gaps_in_one_scan(self, span: TimeRange) -> bytes:
        """The number and the rows of each gap between two ``bounds`` that holds rows."""
        within = self.table.filters(span, only_open=False)["within"]
        return self.table.compose("rows_in_gaps_in_one_scan", within=within)

    @cached_property
    def rows_near_due(self) -> bytes:
        """The rows from ``since`` to ``until``, counted in buckets of ``width``."""
        return self.table.compose("rows_near_due")

    @property
    def _columns(self) -> sql.Composable:
        return _TEMPLATES["due_row"].format(**self.table.parts)


class PostgresDueRows:
    """``engine.due_rows.DueRowStore`` says what the methods mean."""

    def __init__(self, database: Database, store: PostgresStore, account: str) -> None:
        self._database = database
        self._store = store
        self._account = account
        self._statements = DueRowStatements(store.table)

    def due_rows(
        self, due_by: datetime, known: KnownRows | None, most: int
    ) -> tuple[DueRow, ...] | None:
        """See ``DueRowStore``."""
        table = self._table
        parameters: dict[str, object] = {
            "account": self._account,
            "open": table.open_statuses,
            "due_by": due_by,
            "limit": most + 1,
        }
        with self._database.counting("looking for due payments") as connection:
            if known is None:
                rows = connection.execute(self._statements.everywhere, parameters).fetchall()
            else:
                compared = connection.execute(_SQL["rechecks_to_compare"], parameters).fetchall()
                if len(compared) + len(known.left) > most:
                    return None
                rows = self._rows_among(connection, [row[0] for row in compared], known, parameters)
        return self._as_due_rows(rows, most)

    def _rows_among(
        self,
        connection: Connection,
        compared: Sequence[str],
        known: KnownRows,
        parameters: dict[str, object],
    ) -> list[TupleRow]:
        table = self._table
        # a column without a time of day holds the beginning of the day
        is_date = table.created.kind is ColumnKind.DATE
        created = TimeRange(known.created_since - (DAY if is_date else timedelta(0)))
        parameters = {
            **parameters,
            **table.range_parameters(created),
            "intents": table.intents({*compared, *known.left}),
        }
        return connection.execute(self._statements.among(created), parameters).fetchall()

    def _as_due_rows(self, rows: Sequence[TupleRow], most: int) -> tuple[DueRow, ...] | None:
        # a row may be found by its id and by its time
        unique = list(dict.fromkeys(rows))
        if len(unique) > most:
            return None
        references = self._store.references_of([row[:3] for row in unique])
        return tuple(
            DueRow(reference, intent, created)
            for reference, (*_, intent, created) in zip(references, unique, strict=True)
        )

    def remove_needless_polls(self, due_by: datetime, needed: Sequence[str], epoch: int) -> None:
        """See ``DueRowStore``."""
        parameters = {
            "account": self._account,
            "due_by": due_by,
            "scheduled": NEXT_POLL,
            "needed": list(needed),
            "limit": MOST_REMOVED,
        }
        with self._database.transaction("deleting planned polls") as connection:
            with connection.pipeline():
                begin(connection)
                locked = lock_lease(connection, self._account, epoch)
                connection.execute(_SQL["polls_remove_needless"], parameters)
            # the answer is there when the pipeline has ended; raising rolls the transaction back
            raise_if_lease_lost(locked, self._account)

    def histogram_of(self, rows: Sequence[DueRow], listing_model: ListingModel) -> Histogram:
        """See ``DueRowStore``."""
        times = sorted(row.created for row in rows if row.created is not None)
        undated = len(rows) - len(times)
        if not times:
            return Histogram((), undated)
        ratio, margin = listing_model.ratio, (listing_model.latest - listing_model.earliest) / 2
        with self._database.counting("counting the payments near those that are due") as connection:
            held = self._rows_in_gaps(connection, gaps_between(times, margin), ratio)
            planned = count_plan(times, margin, held, ratio)
            ranges = planned.to_count
            counted: dict[datetime, int] = {}
            if ranges:
                parameters = {
                    "account": self._account,
                    "width": planned.width,
                    "since": [self._bound(part.since) for part in ranges],
                    "until": [self._bound(part.until) for part in ranges],
                }
                found = connection.execute(self._statements.rows_near_due, parameters)
                counted = dict(found.fetchall())
        return histogram_of_due(planned, counted, ratio, undated)

    def _rows_in_gaps(self, connection: Connection, gaps: Sequence[Gap], ratio: float) -> list[int]:
        """What each gap holds; an empty gap holds nothing, and a full one is counted up to ``wide_gap_rows``."""
        real = [number for number, gap in enumerate(gaps) if gap.length]
        held = [0] * len(gaps)
        if not real:
            return held
        parameters: dict[str, object] = {"account": self._account}
        if self._created_is_indexed:
            parameters |= {
                "since": [self._bound(gaps[number].since) for number in real],
                "until": [self._bound(gaps[number].until) for number in real],
                "most": wide_gap_rows(ratio),
            }
            found = connection.execute(self._statements.rows_in_gaps, parameters).fetchall()
            for number, (rows,) in zip(real, found, strict=True):
                held[number] = rows
            return held

        span = TimeRange(gaps[real[0]].since, gaps[real[-1]].until)
        parameters |= {
            **self._table.range_parameters(span),
            "bounds": [
                bound for number in real for bound in (gaps[number].since, gaps[number].until)
            ],
        }
        query = self._statements.rows_in_gaps_in_one_scan(span)
        for nth, rows in connection.execute(query, parameters):
            held[real[nth - 1]] = rows
        return held

    def _bound(self, moment: datetime) -> object:
        """A moment in the column's own type."""
        return self._table.created.bound(moment, self._table.mapping.created_unit)

    @property
    def _table(self) -> MerchantTable:
        """The table as the store knows it by now: it learns of client secrets as it meets them."""
        if self._statements.table is not self._store.table:
            self._statements = DueRowStatements(self._store.table)
        return self._statements.table

    @cached_property
    def _created_is_indexed(self) -> bool:
        """Whether an index serves a range of time."""
        table = self._table
        relation = find_relation(self._database, f"{table.schema}.{table.name}")
        if relation is None:
            return False
        # the catalog shows no index of a view and of an SQL text
        is_table = relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED)
        if table.created.sql_text is not None or not is_table:
            return False
        return relation.is_indexed(table.created, table.account)
