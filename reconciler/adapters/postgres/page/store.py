"""One account's part of the database, as a sweep needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger_append import append
from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.payment_counts import PaymentCounts
from reconciler.adapters.postgres.merchant.rows import RowReader
from reconciler.adapters.postgres.page.page_transaction import PostgresPageTransaction
from reconciler.adapters.postgres.page.stored_facts import ask_for_stored_facts
from reconciler.adapters.postgres.schema.schema_access import schema_access
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import Cursor, begin, check_fence, ending, fence
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.recheck import NEXT_POLL
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.domain.read_limits_and_shortage import QUOTA_DAYS, ReadsSpent, Source
from reconciler.errors import DatabaseRefusedError

_SQL: Final = statements("page")


class PostgresStore:
    """The merchant's rows and our tables, for one account. Safe to share between threads.

    What our schema holds counts as nothing where it is not there or may not be read, so that a dry run needs SELECT
    on the merchant's table and no more; that is learnt once, here.
    """

    def __init__(self, database: Database, table: MerchantTable, account: str) -> None:
        self._database = database
        self._table = table
        self._account = account
        self._reader = RowReader(table.mapping, account)
        self._counts = PaymentCounts(database, table, account)
        access = schema_access(database)
        self.can_read_schema = access.may_read
        self.has_schema = access.may_write

    def load(self, intents: Sequence[str], orders: Sequence[str] = ()) -> Loaded:
        """As ``engine.ports.Store`` has it; one round trip."""
        with self._database.connection("loading a page") as connection:
            with connection.pipeline():
                held, claimable, paid = self._ask_for_rows(connection, intents, orders)
                knowledge = ask_for_stored_facts(
                    connection, self._account, intents, readable=self.can_read_schema, lock=False
                )
            read = self._reader.payments
            return knowledge.loaded(
                payments=read(held.fetchall()),
                claimable=read(claimable.fetchall() if claimable else ()),
                paid=read(paid.fetchall() if paid else ()),
            )

    def _ask_for_rows(
        self, connection: Connection, intents: Sequence[str], orders: Sequence[str]
    ) -> tuple[Cursor, Cursor | None, Cursor | None]:
        table = self._table
        named = table.orders(orders)
        parameters = {
            "account": self._account,
            "intents": table.intents(intents),
            "orders": named,
            "paid": table.paid_statuses,
        }
        held = connection.execute(table.rows_of_intents, parameters)
        claimable = connection.execute(table.rows_claimable, parameters) if named else None
        if table.order is None or not table.paid_statuses:
            return held, claimable, None
        return held, claimable, connection.execute(table.rows_paid, parameters)

    def open_payments(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        due_by: datetime | None = None,
    ) -> tuple[RowReference, ...]:
        """As ``engine.ports.Store`` has it, and all rows that share the last one's key."""
        return self._references(created, after_key, limit, only_open=True, due_by=due_by)

    def payments_between(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """As ``engine.ports.Store`` has it, and all rows that share the last one's key."""
        return self._references(created, after_key, limit, only_open=False)

    def newest_payments(self, limit: int) -> tuple[RowReference, ...]:
        """As ``engine.ports.Store`` has it. Rows without a time are not among them."""
        parameters = {"account": self._account, "limit": limit}
        with self._database.connection("reading the newest payments") as connection:
            rows = connection.execute(self._table.references_newest, parameters).fetchall()
        return tuple(RowReference(*row) for row in rows)

    def count_open(self, created: TimeRange, due_by: datetime | None = None) -> int:
        """As ``engine.ports.Store`` has it."""
        known = due_by if self.can_read_schema else None
        return self._counts.rows(created, only_open=True, due_by=known)

    def count_between(self, created: TimeRange) -> int:
        """As ``engine.ports.Store`` has it."""
        return self._counts.rows(created, only_open=False)

    def _references(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        *,
        only_open: bool,
        due_by: datetime | None = None,
    ) -> tuple[RowReference, ...]:
        table = self._table
        scheduled = due_by is not None and self.can_read_schema
        query = table.references(
            created, only_open=only_open, after=after_key is not None, scheduled=scheduled
        )
        parameters = {
            **table.range_parameters(created),
            "account": self._account,
            "open": table.open_statuses,
            "after": after_key,
            "due_by": due_by,
            "limit": limit,
        }
        with self._database.connection("listing payments") as connection:
            rows = connection.execute(query, parameters).fetchall()
        return tuple(RowReference(*row) for row in rows)

    def histogram(
        self, created: TimeRange, ratio: float, due_by: datetime | None = None
    ) -> Histogram:
        """As ``engine.ports.Store`` has it: from the first due row to the last.

        What was learnt of how far intents are from their rows is added at either end: lists are widened by it.
        """
        listing_model = self.listing_model()
        margin = (listing_model.latest - listing_model.earliest) / 2
        known = due_by if self.can_read_schema else None
        return self._counts.histogram(created, ratio, known, margin)

    def listing_model(self) -> ListingModel:
        """As ``engine.ports.Store`` has it; nothing where our schema may not be read."""
        return self._counts.listing_model() if self.can_read_schema else ListingModel()

    def due_rechecks(self, now: datetime, limit: int) -> tuple[str, ...]:
        """As ``engine.ports.Store`` has it; none where our schema may not be read."""
        if not self.can_read_schema:
            return ()
        parameters = {
            "account": self._account,
            "now": now,
            "limit": limit,
            "scheduled": NEXT_POLL,
        }
        with self._database.connection("looking for checks that are due") as connection:
            rows = connection.execute(_SQL["rechecks_due"], parameters).fetchall()
        return tuple(row[0] for row in rows)

    def seen_events(self, ids: Sequence[str]) -> frozenset[str]:
        """As ``engine.ports.Store`` has it; none where our schema may not be read."""
        if not self.can_read_schema:
            return frozenset()
        parameters = {"account": self._account, "ids": list(ids)}
        with self._database.connection("looking for events handled before") as connection:
            rows = connection.execute(_SQL["events_seen"], parameters).fetchall()
        return frozenset(row[0] for row in rows)

    def cursors(self) -> Mapping[str, datetime]:
        """As ``engine.ports.Store`` has it; none where our schema may not be read."""
        if not self.can_read_schema:
            return {}
        parameters = {"account": self._account}
        with self._database.connection("reading the cursors") as connection:
            return dict(connection.execute(_SQL["cursors"], parameters).fetchall())

    def move_cursors(self, reached: Mapping[str, datetime], epoch: int) -> None:
        """As ``engine.ports.Store`` has it. Raises LeaseLostError where the lease is gone."""
        if not reached:
            return
        parameters = {
            "account": self._account,
            "names": list(reached),
            "reached": list(reached.values()),
        }
        with self._database.connection("moving the cursors") as connection, ending(connection):
            with connection.pipeline():
                begin(connection)
                fenced = fence(connection, self._account, epoch)
                connection.execute(_SQL["cursors_move"], parameters)
            check_fence(fenced, self._account)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[PostgresPageTransaction]:
        """As ``engine.ports.Store`` has it. It is READ COMMITTED and begins with the first statement.

        The threads that share the database take turns: the next one finds the rows as this one has left them.
        """
        with (
            self._database.turn(self._account),
            self._database.connection("recording a page") as connection,
        ):
            page = PostgresPageTransaction(
                connection, self._table, self._reader, self._account, epoch
            )
            with ending(connection):
                yield page

    def corrections_by_service(self, since_seconds: int) -> int:
        """As ``engine.ports.Store`` has it; 0 where our schema may not be read."""
        if not self.can_read_schema:
            return 0
        parameters = {"account": self._account, "seconds": since_seconds}
        with self._database.connection("counting the service's corrections") as connection:
            return _number(connection.execute(_SQL["corrections_by_service"], parameters))

    def start_sweep(self, facts: Mapping[str, object]) -> int:
        """As ``engine.ports.Store`` has it."""
        parameters = {**facts, "account": self._account}
        with self._database.connection("beginning a pass") as connection:
            return _number(connection.execute(_SQL["sweep_start"], parameters))

    def finish_sweep(
        self, sweep: int, report: Mapping[str, object], entries: Sequence[Draft], epoch: int
    ) -> None:
        """As ``engine.ports.Store`` has it; ``report`` has ``complete``.

        Raises LeaseLostError as a page does, and DatabaseRefusedError where the sweep is not running.
        """
        parameters = {
            "account": self._account,
            "sweep": sweep,
            "complete": bool(report.get("complete")),
            "report": json.dumps(report, default=_as_json),
        }
        with self._database.connection("ending a pass") as connection, ending(connection):
            with connection.pipeline():
                begin(connection)
                ended = connection.execute(_SQL["sweep_finish"], parameters)
                fenced = fence(connection, self._account, epoch)
                append(connection, self._account, entries)
            check_fence(fenced, self._account)
            if ended.fetchone() is None:
                raise DatabaseRefusedError(
                    f"Sweep {sweep} of account {self._account} is not running.",
                    "It has ended already; begin another one.",
                )

    def booked_reads(self) -> ReadsSpent:
        """As ``engine.ports.Store`` has it; nothing where our schema may not be read."""
        if not self.can_read_schema:
            return ReadsSpent()
        parameters = {"account": self._account, "days": QUOTA_DAYS}
        with self._database.connection("adding up the reads") as connection:
            rows = connection.execute(_SQL["reads_by_source"], parameters).fetchall()
        return ReadsSpent(
            {Source(source): int(month) for source, month, _ in rows},
            {Source(source): int(day) for source, _, day in rows},
        )

    def book_reads(self, reads: Mapping[Source, int]) -> None:
        """As ``engine.ports.Store`` has it."""
        parameters = {
            "account": self._account,
            "sources": [source.value for source in reads],
            "counts": list(reads.values()),
        }
        with self._database.connection("booking reads") as connection:
            connection.execute(_SQL["reads_book"], parameters)


def _number(answer: Cursor) -> int:
    """The one number that a statement always answers with."""
    row = answer.fetchone()
    return int(row[0]) if row is not None else 0


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"a report holds no {type(value).__name__}")
