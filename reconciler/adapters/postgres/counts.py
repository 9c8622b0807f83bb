"""The merchant's payments counted by time, for the plan of a pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant_table import MerchantTable
from reconciler.adapters.postgres.statements import statement
from reconciler.adapters.postgres.transactions import streaming
from reconciler.domain.histogram import Bucket, Histogram, Learnt, bucket_width, joined
from reconciler.domain.page import TimeRange

MOST_SKEW = timedelta(days=2)
"""Rows that are further from their intents were imported or backdated: no clock is that wrong."""
GROUPS_A_FETCH = 5_000
"""A range may have two hundred thousand groups: they come by a cursor on the server, and are joined as they come."""


class Counts:
    """Histograms of one account's rows, made by the database: never all keys at once."""

    def __init__(self, database: Database, table: MerchantTable, account: str) -> None:
        self._database = database
        self._table = table
        self._account = account

    def histogram(self, created: TimeRange, ratio: float, due_by: datetime | None) -> Histogram:
        """Rows that name an intent and were created in a range, and how many of them are open.

        ``ratio`` is Stripe's intents for each row: it decides how fine the buckets are. With ``due_by`` only those
        open rows count for which no check lies after it.
        """
        table = self._table
        parameters: dict[str, object] = {
            **table.range_parameters(created),
            "account": self._account,
            "open": table.open_statuses,
            "due_by": due_by,
        }
        scheduled = due_by is not None
        with (
            self._database.connection("counting payments by time") as connection,
            streaming(connection),
        ):
            span = connection.execute(table.histogram_span(created), parameters).fetchone()
            if span is None or span[0] is None:
                width = timedelta(days=1)
            else:
                width = bucket_width(span[1] - span[0] + timedelta(seconds=1), span[2], ratio)
            parameters["width"] = width
            undated: list[int] = []
            with connection.cursor("histogram") as counted:
                counted.itersize = GROUPS_A_FETCH
                counted.execute(table.histogram(created, scheduled=scheduled), parameters)
                buckets = tuple(joined(_buckets(counted, width, undated), ratio))
            return Histogram(buckets, sum(undated))

    def learnt(self) -> Learnt:
        """What the last complete window pass has taught; nothing where there was none."""
        parameters = {"account": self._account}
        with self._database.connection("reading what passes have taught") as connection:
            row = connection.execute(statement("learnt"), parameters).fetchone()
        if row is None:
            return Learnt()
        ratio, earliest, latest = row
        return Learnt(
            ratio=max(1.0, ratio),
            earliest=_bounded(earliest),
            latest=max(_bounded(latest), _bounded(earliest)),
        )


def _bounded(seconds: float | None) -> timedelta:
    skew = timedelta(seconds=seconds or 0.0)
    return max(-MOST_SKEW, min(MOST_SKEW, skew))


def _buckets(rows: Iterable[TupleRow], width: timedelta, undated: list[int]) -> Iterator[Bucket]:
    for start, count, due in rows:
        if isinstance(start, datetime):
            yield Bucket(start, start + width, count, due)
        else:
            undated.append(due)
