"""One account's part of the database, as a sweep needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, tzinfo
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.merchant.day_sums import (
    left_out_by_day,
    local_population,
    sums_by_day,
)
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.payment_counts import PaymentCounts
from reconciler.adapters.postgres.merchant.row_reader import Answer, IdPairs, Row, RowReader
from reconciler.adapters.postgres.merchant.unreadable_rows import (
    Unreadable,
    find_unreadable,
    parts_by_key,
    rows_of_any_order,
    still_unreadable,
    without_unreadable,
)
from reconciler.adapters.postgres.page.page_transaction import PostgresPageTransaction
from reconciler.adapters.postgres.page.stored_facts import ask_for_stored_facts
from reconciler.adapters.postgres.page.sweep_records import PostgresSweepRecords
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.model.looked_up_id import IdPair
from reconciler.domain.model.match_facts import UnmatchedPayment
from reconciler.domain.model.page import Loaded, parts_of
from reconciler.domain.model.payment import AccountRows, Payment, RowReference
from reconciler.domain.model.recheck import NEXT_POLL
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.errors import RowMovedError, ValueFailedError

_SQL: Final = STATEMENTS["page"]

PAGES_TOGETHER: Final = 60
"""So many pages are loaded together if no index serves a lookup. They need three scans at most: for the rows, for the paid
rows of orders that Stripe does not name, and for the rows to be recorded."""

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")
_Store = TypeVar("_Store", bound="PostgresStore")


def _with_unreadable_rows_set_aside(
    read: Callable[Concatenate[_Store, _Parameters], _Answer],
) -> Callable[Concatenate[_Store, _Parameters], _Answer]:
    """Read again if an SQL text of the mapping fails for a row, without evaluating the text for that row."""

    @wraps(read)
    def read_without_them(
        self: _Store, /, *arguments: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Answer:
        while True:
            try:
                return read(self, *arguments, **named)
            except ValueFailedError:
                if not self._set_unreadable_aside():
                    raise

    return read_without_them


class PostgresStore(PostgresSweepRecords):
    """The merchant's rows and Reconciler's tables, for one account. Safe to share between threads.

    ``engine.ports.Store`` says what the methods mean. If the schema reconciler does not exist or may not be read, it
    counts as empty: a dry run needs SELECT on the merchant's table and nothing else. That is found out once, here.
    """

    def __init__(
        self,
        database: Database,
        table: MerchantTable,
        account: str,
        accounts: Sequence[AccountRows] = (),
    ) -> None:
        """``accounts`` are all that are configured: the rows of none of them are counted for a certificate.

        Raises NewerSchemaError if a newer version of Reconciler has migrated the schema.
        """
        super().__init__(database, account)
        self._table = table
        # the table without any row set aside
        self._whole_table = table
        self._accounts = accounts
        self._counts = PaymentCounts(database, table, account)
        self._pairs = IdPairs(database, account, readable=self.can_read_schema)
        self._reader = RowReader(table.mapping, account, self._pairs)
        self._may_be_unreadable = table.has_texts
        if table.whole is not None:
            self._whole_table = replace(
                table.whole, has_secrets=table.has_secrets, account_rows=table.account_rows
            )
            self._use_table(table.unreadable)

    @_with_unreadable_rows_set_aside
    def load(
        self, intents: Sequence[str], orders: Sequence[str] = (), likely: Sequence[str] = ()
    ) -> Loaded:
        """See ``engine.ports.Store``; one round trip. ``likely`` are orders that the rows of the intents may have."""
        with self._database.connection("reading the rows of a page") as connection:
            # in a pipeline all questions of a page are one round trip
            with connection.pipeline():
                held, claimable, paid = self._ask_for_rows(connection, intents, orders, likely)
                pairs = self._pairs.ask(connection, intents)
                facts = ask_for_stored_facts(
                    connection, self._account, intents, readable=self.can_read_schema, lock=False
                )
            if self._pairs.take(pairs, intents):
                # rows that hold a Checkout Session or a charge of these intents, learned only now
                held, claimable, paid = self._ask_for_rows(connection, intents, orders, likely)

            rows = held.fetchall()
            payments = self._reader.read(rows, connection)
            return facts.loaded(
                payments=payments,
                claimable=self._reader.read(claimable.fetchall(), connection) if claimable else (),
                paid=self._read_paid(connection, paid.fetchall(), rows, payments) if paid else (),
            )

    @property
    def pages_at_once(self) -> int:
        """See ``engine.ports.Store``."""
        return PAGES_TOGETHER if self._table.scans else 1

    def load_pages(self, pages: Sequence[Mapping[str, str | None]]) -> list[Loaded]:
        """See ``engine.ports.Store``."""
        likely = [order for page in pages for order in page.values() if order is not None]
        intents = [intent for page in pages for intent in page]
        return parts_of(self.load(intents, likely=likely), pages)

    def _read_paid(
        self,
        connection: Connection,
        rows: Sequence[Row],
        held: Sequence[Row],
        payments: Sequence[Payment],
    ) -> tuple[Payment, ...]:
        """The payments of paid rows. Nearly all of them are rows of the page itself, which are read already."""
        read = {row[0]: (row, payment) for row, payment in zip(held, payments, strict=True)}
        others = [row for row in rows if row[0] not in read or read[row[0]][0] != row]
        if not others:
            return tuple(read[row[0]][1] for row in rows)
        return (
            *(read[row[0]][1] for row in rows if row[0] in read and read[row[0]][0] == row),
            *self._reader.read(others, connection),
        )

    def _ask_for_rows(
        self,
        connection: Connection,
        intents: Sequence[str],
        orders: Sequence[str],
        likely: Sequence[str],
    ) -> tuple[Answer, Answer | None, Answer | None]:
        table = self._table
        texts = [*intents, *self._pairs.ids_of(intents)]
        parameters: dict[str, object] = {"account": self._account, "intents": table.intents(texts)}
        if not table.intent_is_indexed and table.order is not None:
            from reconciler.adapters.postgres.page.rows_in_one_scan import rows_in_one_scan

            return rows_in_one_scan(connection, table, parameters, orders, likely)
        held = connection.execute(table.rows_of_intents, parameters)
        # without an order no row can be claimed, and no row is paid for the same order
        if table.order is None:
            return held, None, None

        named = table.orders(orders)
        parameters |= {"orders": named, "paid": table.paid_statuses}
        claimable = connection.execute(table.rows_claimable, parameters) if named else None
        paid = connection.execute(table.rows_paid, parameters) if table.paid_statuses else None
        return held, claimable, paid

    @_with_unreadable_rows_set_aside
    def rows_of_orders(self, orders: Sequence[str]) -> tuple[Payment, ...]:
        """See ``engine.ports.Store``."""
        named = self._table.orders(orders)
        if not named:
            return ()
        with self._database.connection("reading the rows that belong to orders") as connection:
            rows = connection.execute(self._table.rows_of_orders, {"orders": named}).fetchall()
            payments = self._reader.read(rows, connection)
            if not self._reader.without_order:
                return payments
            return (*payments, *rows_of_any_order(connection, self._table, self._reader, named))

    @_with_unreadable_rows_set_aside
    def holders(self, intents: Sequence[str]) -> tuple[Payment, ...]:
        """See ``engine.ports.Store``."""
        if not intents:
            return ()
        with self._database.connection("reading the rows that hold PaymentIntents") as connection:
            self._pairs.take(self._pairs.ask(connection, intents), intents)
            held = self._table.intents([*intents, *self._pairs.ids_of(intents)])
            parameters = {"intents": held, "account": self._account}
            rows = connection.execute(self._table.holders, parameters).fetchall()
            payments = self._reader.read([row[:-1] for row in rows], connection)
        return tuple(
            replace(payment, excluded=row[-1]) for payment, row in zip(payments, rows, strict=True)
        )

    def unmatched_payments(self) -> tuple[UnmatchedPayment, ...]:
        """See ``engine.ports.Store``."""
        if not self.can_read_schema:
            return ()
        parameters = {"account": self._account}
        with self._database.connection("reading payments without a row") as connection:
            rows = connection.execute(_SQL["unmatched_payments"], parameters).fetchall()
        return tuple(UnmatchedPayment(*row) for row in rows)

    def pairs(self, texts: Sequence[str]) -> Mapping[str, IdPair]:
        """See ``engine.ports.Store``."""
        return self._pairs.known(texts)

    def remember_pairs(self, pairs: Sequence[IdPair], *, store: bool) -> None:
        """See ``engine.ports.Store``."""
        if pairs:
            self._pairs.remember(pairs, store=store and self.has_schema)

    def looked_up_payments(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """See ``engine.ports.Store``."""
        return self._references(created, after_key, limit, only_open=False, looked_up=True)

    def open_payments(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        due_by: datetime | None = None,
    ) -> tuple[RowReference, ...]:
        """See ``engine.ports.Store``."""
        return self._references(created, after_key, limit, only_open=True, due_by=due_by)

    def payments_between(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """See ``engine.ports.Store``; and all rows that share the last one's key."""
        return self._references(created, after_key, limit, only_open=False)

    @_with_unreadable_rows_set_aside
    def newest_payments(self, limit: int) -> tuple[RowReference, ...]:
        """See ``engine.ports.Store``. Rows without a time are not among them."""
        parameters = {"account": self._account, "limit": limit}
        with self._database.connection("reading the newest payments") as connection:
            rows = connection.execute(self._table.references_newest, parameters).fetchall()
        return self.references_of(rows)

    @_with_unreadable_rows_set_aside
    def count_open(self, created: TimeRange, due_by: datetime | None = None) -> int:
        """See ``engine.ports.Store``."""
        if self._table.unreadable:
            self._take_repaired_rows_back()
        # without the schema no recheck is known, so every open row is due
        known = due_by if self.can_read_schema else None
        return self._counts.rows(created, only_open=True, due_by=known)

    @_with_unreadable_rows_set_aside
    def count_open_without_intent(self, most: int) -> int:
        """See ``engine.ports.Store``."""
        parameters = {"account": self._account, "open": self._table.open_statuses, "limit": most}
        with self._database.counting("counting open rows without a PaymentIntent") as connection:
            rows = connection.execute(self._table.open_without_intent_count, parameters).fetchall()
        return int(rows[0][0])

    @_with_unreadable_rows_set_aside
    def count_between(self, created: TimeRange) -> int:
        """See ``engine.ports.Store``."""
        if self._table.unreadable:
            self._take_repaired_rows_back()
        return self._counts.rows(created, only_open=False)

    @_with_unreadable_rows_set_aside
    def _references(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        *,
        only_open: bool,
        due_by: datetime | None = None,
        looked_up: bool = False,
    ) -> tuple[RowReference, ...]:
        table = self._table
        # without the schema no recheck is known, so every open row is due
        scheduled = due_by is not None and self.can_read_schema
        query = table.references(
            created,
            only_open=only_open,
            after=after_key is not None,
            scheduled=scheduled,
            looked_up=looked_up,
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
        return self.references_of(rows)

    @property
    def table(self) -> MerchantTable:
        """The merchant's table as it is known by now."""
        return self._table

    def references_of(self, rows: Sequence[TupleRow]) -> tuple[RowReference, ...]:
        """What rows of the statements of references stand for. A client secret among them changes later lookups."""
        references = tuple(RowReference(*row) for row in rows)
        if not self._table.has_secrets and any(row.holds_secret for row in references):
            # the newest rows had none: from now on rows are found by the id in front of a secret too
            self._whole_table = replace(
                self._whole_table, has_secrets=True, intent_is_indexed=False
            )
            self._use_table(self._table.unreadable)
        return references

    @_with_unreadable_rows_set_aside
    def histogram(
        self, created: TimeRange, ratio: float, due_by: datetime | None = None
    ) -> Histogram:
        """See ``engine.ports.Store``: from the first due row to the last.

        Rows are also counted on either side, as far as past sweeps found intents away from their rows: a list from
        Stripe is widened by as much.
        """
        listing_model = self.listing_model()
        margin = (listing_model.latest - listing_model.earliest) / 2
        known = due_by if self.can_read_schema else None
        return self._counts.histogram(created, ratio, known, margin)

    @_with_unreadable_rows_set_aside
    def sums_by_day(
        self, created: TimeRange, zone: tzinfo
    ) -> Mapping[tuple[date, str], Mapping[str, Mapping[str, int]]]:
        """See ``engine.ports.Store``."""
        return sums_by_day(self._database, self._table, self._account, created, zone)

    def local_population(self, created: TimeRange, zone: tzinfo) -> Mapping[str, object]:
        """See ``engine.ports.Store``."""
        return local_population(self._table, self._account, created, zone)

    @_with_unreadable_rows_set_aside
    def left_out_by_day(
        self, created: TimeRange, zone: tzinfo
    ) -> Mapping[tuple[date | None, str], Mapping[str, Mapping[str, int]]]:
        """See ``engine.ports.Store``."""
        return left_out_by_day(
            self._database, self._table, self._account, self._accounts, created, zone
        )

    def listing_model(self) -> ListingModel:
        """See ``engine.ports.Store``."""
        return self._counts.listing_model() if self.can_read_schema else ListingModel()

    def due_rechecks(self, now: datetime, limit: int) -> tuple[str, ...]:
        """See ``engine.ports.Store``."""
        if not self.can_read_schema:
            return ()
        parameters = {
            "account": self._account,
            "now": now,
            "limit": limit,
            "scheduled": NEXT_POLL,
        }
        with self._database.connection("looking for PaymentIntents to read again") as connection:
            rows = connection.execute(_SQL["rechecks_due"], parameters).fetchall()
        return tuple(row[0] for row in rows)

    def seen_events(self, ids: Sequence[str]) -> frozenset[str]:
        """See ``engine.ports.Store``."""
        if not self.can_read_schema:
            return frozenset()
        parameters = {"account": self._account, "ids": list(ids)}
        with self._database.connection("looking for events handled before") as connection:
            rows = connection.execute(_SQL["events_seen"], parameters).fetchall()
        return frozenset(row[0] for row in rows)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[PostgresPageTransaction]:
        """See ``engine.ports.Store``. It is READ COMMITTED and begins with the first statement.

        Threads that share the database take turns: each finds the rows as the one before has left them.
        """
        table = self._table
        try:
            # the lock before the connection: a thread that waits must not hold one of the few connections
            with (
                self._database.lock_of(self._account),
                self._database.transaction("recording a page") as connection,
            ):
                yield PostgresPageTransaction(
                    connection,
                    table,
                    self._reader,
                    self._pairs,
                    self._account,
                    epoch,
                    may_be_unreadable=self._may_be_unreadable,
                )
        except ValueFailedError:
            if not self._may_be_unreadable:
                raise
            # once for each error: if no row can be set aside, the table itself refuses a value
            self._may_be_unreadable = self._set_unreadable_aside() or self._table is not table
            raise RowMovedError(frozenset()) from None
        else:
            self._may_be_unreadable = self._whole_table.has_texts

    def _set_unreadable_aside(self) -> bool:
        """Find the rows for which an SQL text fails, and set them aside; whether they are others than before."""
        if not self._whole_table.has_texts:
            return False
        return self._use_table(find_unreadable(self._database, self._whole_table))

    def _take_repaired_rows_back(self) -> None:
        """Read the rows as usual again for which no text fails any more."""
        known = self._table.unreadable
        self._use_table(still_unreadable(self._database, self._whole_table, known))

    def _use_table(self, unreadable: Unreadable) -> bool:
        """Compose the statements anew, with these rows set aside; whether they are others than before."""
        is_new = unreadable != self._table.unreadable
        self._table = without_unreadable(self._whole_table, unreadable)
        self._reader.unreadable = parts_by_key(unreadable)
        self._reader.without_order = unreadable.get("order", frozenset())
        self._counts = PaymentCounts(self._database, self._table, self._account)
        return is_new
