"""The merchant's payments counted: by time for the plan of a sweep, and the newest by what their id column holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import (
    Bucket,
    Histogram,
    ListingModel,
    bucket_start,
    bucket_width,
    join_buckets,
    joined_bucket_size,
)
from reconciler.masking import redact

_PAGE: Final = STATEMENTS["page"]

MOST_SKEW: Final = timedelta(days=2)
"""Rows that are further from their intents were imported or backdated: no clock is that wrong."""
GROUPS_A_FETCH: Final = 5_000
"""A range may have 200,000 groups: a cursor on the server brings them in parts, and they are joined as they come."""
_TICK: Final = timedelta(seconds=1)
"""A margin: the time of a numeric column that is finer than a microsecond was rounded."""
SAMPLE: Final = 500
"""How many of the newest rows are looked at."""
LONGEST_EXAMPLE: Final = 60


class PaymentCounts:
    """Histograms of one account's rows. The database makes them: the keys never come here."""

    def __init__(self, database: Database, table: MerchantTable, account: str) -> None:
        self._database = database
        self._table = table
        self._account = account

    def rows(self, created: TimeRange, *, only_open: bool, due_by: datetime | None = None) -> int:
        """Rows that name an intent and were created in a range; with ``due_by`` the open ones that are due by then."""
        statement, parameters = self._count(created, only_open=only_open, due_by=due_by)
        with self._database.counting("counting payments") as connection:
            return int(connection.execute(statement, parameters).fetchall()[0][0])

    def histogram(
        self, created: TimeRange, ratio: float, due_by: datetime | None, margin: timedelta
    ) -> Histogram:
        """Rows that name an intent, from the first that is due to the last, and how many of them are due.

        Due are the open rows of the range; with ``due_by`` only those that no later recheck waits for. ``margin`` is
        how far rows are counted beyond the first and the last. ``ratio`` is Stripe's intents for each row: it decides
        how fine the buckets are.
        """
        with self._database.counting(
            "counting the payments by their time of creation"
        ) as connection:
            parameters = self._parameters(created, due_by)
            statement = self._table.histogram_span(created, scheduled=due_by is not None)
            first, last, undated = connection.execute(statement, parameters).fetchall()[0]
            if first is None:
                return Histogram((), undated)

            # only rows near the due ones say what a list of them would cost
            first, last = first - margin - _TICK, last + margin + _TICK
            count = self._count(_within(created, first, last), only_open=False)
            rows = int(connection.execute(*count).fetchall()[0][0])
            width = bucket_width(last - first, rows, ratio)

            # whole buckets, so that none has fewer rows than it says
            whole = _within(created, bucket_start(first, width), bucket_start(last, width) + width)
            counted = self._buckets(connection, whole, width, due_by)
            size = joined_bucket_size(rows, ratio)
            return Histogram(tuple(join_buckets(counted, ratio, size)), undated)

    def _count(
        self, created: TimeRange, *, only_open: bool, due_by: datetime | None = None
    ) -> tuple[bytes, dict[str, object]]:
        """The statement that counts a range's rows, and its parameters."""
        parameters = self._parameters(created, due_by)
        statement = self._table.references_count(
            created, only_open=only_open, scheduled=due_by is not None
        )
        return statement, parameters

    def _buckets(
        self, connection: Connection, created: TimeRange, width: timedelta, due_by: datetime | None
    ) -> Iterator[Bucket]:
        parameters = {**self._parameters(created, due_by), "width": width}
        with connection.cursor("histogram") as counted:
            counted.itersize = GROUPS_A_FETCH
            query = self._table.histogram(created, scheduled=due_by is not None)
            for start, rows, due in counted.execute(query, parameters):
                yield Bucket(start, start + width, rows, due)

    def _parameters(self, created: TimeRange, due_by: datetime | None) -> dict[str, object]:
        return {
            **self._table.range_parameters(created),
            "account": self._account,
            "open": self._table.open_statuses,
            "due_by": due_by,
        }

    def listing_model(self) -> ListingModel:
        """What the last complete window sweep showed; the defaults if there was none."""
        parameters = {"account": self._account}
        with self._database.connection(
            "reading what the last complete window sweep counted"
        ) as connection:
            row = connection.execute(_PAGE["listing_statistics"], parameters).fetchone()
        if row is None:
            return ListingModel()
        ratio, earliest, latest = row

        # a list has at least one intent for each row that it found
        return ListingModel(
            ratio=max(1.0, ratio),
            earliest=_bounded(earliest),
            latest=max(_bounded(latest), _bounded(earliest)),
        )


def _bounded(seconds: float | None) -> timedelta:
    """A skew, at most ``MOST_SKEW`` in either direction."""
    skew = timedelta(seconds=seconds or 0.0)
    return max(-MOST_SKEW, min(MOST_SKEW, skew))


def _within(created: TimeRange, since: datetime, until: datetime) -> TimeRange:
    """These bounds, cut to the range."""
    if created.since is not None:
        since = max(since, created.since)
    if created.until is not None:
        until = min(until, created.until)
    return TimeRange(since, until)


@dataclass(frozen=True, slots=True)
class IdSample:
    """How many of the sampled rows hold what. Rows without text are not counted.

    ``client_secrets`` are those among ``intents`` that stand in a client secret. ``example`` is one of the other texts,
    without any secret.
    """

    rows: int = 0
    intents: int = 0
    client_secrets: int = 0
    other: int = 0
    example: str | None = None

    @property
    def is_wrong_column(self) -> bool:
        """Whether no row holds an id that leads to a PaymentIntent."""
        return self.rows > 0 and self.other == self.rows


NO_SAMPLE: Final = IdSample()


def sample_ids(database: Database, table: MerchantTable) -> IdSample:
    """Look at the newest rows. A client secret stays in the database."""
    statement = table.ids_sampled
    with database.counting("reading the PaymentIntent ids of the newest rows") as connection:
        found = connection.execute(statement, {"limit": SAMPLE}).fetchall()
    kinds = Counter(stored_id(text).kind for text, _ in found)
    others = (text for text, _ in found if stored_id(text).kind is StoredIdKind.FOREIGN)
    example = next(others, None)
    return IdSample(
        rows=len(found),
        intents=kinds[StoredIdKind.INTENT],
        client_secrets=sum(
            holds_secret and stored_id(text).kind is StoredIdKind.INTENT
            for text, holds_secret in found
        ),
        other=kinds[StoredIdKind.FOREIGN],
        example=None if example is None else redact(example)[:LONGEST_EXAMPLE],
    )
