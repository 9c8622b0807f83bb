"""The transaction in which a page is recorded: row, finding, ledger and outbox together or not at all.

The locks are taken in one order, so that two of these never wait for each other in a circle: the merchant's rows by
key, the discrepancies by id, the update, the lease, Reconciler's tables, and the ledger's head last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import (
    Connection,
    Cursor,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.errors import OF_VALUE
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import IdPairs, RowReader
from reconciler.adapters.postgres.merchant.unreadable_rows import rows_of_any_order
from reconciler.adapters.postgres.page.row_writes import Attempt, RowWriter, refusal_or_busy
from reconciler.adapters.postgres.page.stored_facts import ask_for_stored_facts, store_facts
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.audit.written_value import WrittenValue
from reconciler.domain.model.page import Loaded, PageRecord, WriteResult
from reconciler.domain.model.pause import Pause
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.errors import HourlyLimitError, PausedError, RowMovedError
from reconciler.masking import storable, storable_texts

_SQL: Final = STATEMENTS["page"]
_OUTBOX: Final = STATEMENTS["outbox"]

HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Stored:
    """The answers of the statements on Reconciler's own tables; they are there when the pipeline has ended."""

    lease: Cursor
    corrected: Cursor | None
    pause: Cursor | None


class PostgresPageTransaction:
    """One page's transaction on one connection: two round trips, and COMMIT.

    The connection turns psycopg's errors into Reconciler's when the block of the transaction ends.
    """

    def __init__(
        self,
        connection: Connection,
        table: MerchantTable,
        reader: RowReader,
        pairs: IdPairs,
        account: str,
        epoch: int,
        *,
        may_be_unreadable: bool = False,
    ) -> None:
        """``may_be_unreadable`` is whether a write may fail because of a row for which an SQL text of the mapping fails."""
        self._connection = connection
        self._may_be_unreadable = may_be_unreadable
        self._table = table
        self._reader = reader
        self._pairs = pairs
        self._account = account
        self._epoch = epoch
        self._rows = RowWriter(connection, table, reader, account)
        self._has_begun = False
        self._has_locked = False

    def read_again(
        self,
        intents: Sequence[str],
        keys: Sequence[str],
        *,
        lock: bool,
        also_known: Sequence[str] = (),
    ) -> Loaded:
        """As ``engine.ports.PageTransaction`` has it. All rows are in ``payments``, also those without an intent."""
        table = self._table
        held = [*intents, *self._pairs.ids_of(intents)]
        statement = table.rows_locked if lock else table.rows_again
        parameters = {
            "account": self._account,
            "intents": table.intents(held),
            "keys": table.key.held(keys),
        }

        # the rows before the discrepancies: every transaction locks in this order
        with self._connection.pipeline():
            if not self._has_begun:
                self._begin()
            pairs = self._pairs.ask(self._connection, intents)
            rows = self._connection.execute(statement, parameters)
            facts = ask_for_stored_facts(
                self._connection,
                self._account,
                [*intents, *also_known],
                readable=True,
                lock=True,
                with_pause=lock,
            )
        self._has_locked = lock
        if self._pairs.take(pairs, intents):
            held = table.intents([*intents, *self._pairs.ids_of(intents)])
            rows = self._connection.execute(statement, {**parameters, "intents": held})
        return facts.loaded(self._reader.read(rows.fetchall(), self._connection))

    def rows_of_orders(self, orders: Sequence[str]) -> tuple[Payment, ...]:
        """As ``engine.ports.PageTransaction`` has it."""
        named = self._table.orders(orders)
        if not named:
            return ()
        if not self._has_begun:
            self._begin()
        rows = self._connection.execute(self._table.rows_of_orders, {"orders": named})
        payments = self._reader.read(rows.fetchall(), self._connection)
        if not self._reader.without_order:
            return payments
        return (*payments, *rows_of_any_order(self._connection, self._table, self._reader, named))

    def columns_now(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, WrittenValue]]:
        """As ``engine.ports.PageTransaction`` has it."""
        if not self._has_begun:
            self._begin()
        return self._rows.columns_now(keys)

    def keys_in_mapping(self, keys: Sequence[str]) -> frozenset[str]:
        """As ``engine.ports.PageTransaction`` has it."""
        parameters = {"account": self._account, "intents": [], "keys": self._table.key.held(keys)}
        rows = self._connection.execute(self._table.rows_again, parameters).fetchall()
        return frozenset(row[0] for row in rows)

    def write(self, record: PageRecord) -> WriteResult:
        """As ``engine.ports.PageTransaction`` has it; one round trip if no row is refused. The block's end commits."""
        if record.writes and self._table.set_columns:
            return self._write_with_columns(record)
        attempt = Attempt(record.writes)
        try:
            with self._connection.pipeline():
                if not self._has_begun:
                    self._begin()
                if record.writes:
                    self._rows.send(attempt)
                stored = self._store(record)
        except psycopg.Error as error:
            if not record.writes or attempt.has_answered or self._is_of_a_text(error):
                raise
            # raises again what is neither a refusal nor a busy row
            refusal_or_busy(error)
        else:
            # the answers are there now; what is raised here rolls the page back
            self._raise_if_not_allowed(stored)
            faults = self._rows.faults(attempt)
            if faults and not self._has_locked:
                # only a row that this transaction has locked cannot have moved
                raise RowMovedError(frozenset(faults))
            if not faults:
                if stored.corrected is not None:
                    _raise_if_over_limit(record, stored.corrected)
                return WriteResult()
        return self._write_one_by_one(record)

    def newest_message(self, key: str, intent: str) -> int | None:
        """As ``engine.request_answers.AnswersAcceptances`` has it."""
        parameters = {"account": self._account, "key": storable(key), "intent": storable(intent)}
        row = self._connection.execute(_OUTBOX["outbox_newest"], parameters).fetchone()
        return None if row is None else int(row[0]) or None

    def answer_acceptance(self, number: int, answer: str) -> bool:
        """As ``engine.request_answers.AnswersAcceptances`` has it."""
        parameters = {"account": self._account, "id": number, "answer": answer}
        return self._connection.execute(_SQL["page_acceptance_answer"], parameters).rowcount == 1

    def _write_with_columns(self, record: PageRecord) -> WriteResult:
        """Write the rows, and store the rest in a second round trip: the ledger has what the columns held after the write."""
        attempt = Attempt(record.writes)
        try:
            with self._connection.pipeline():
                if not self._has_begun:
                    self._begin()
                self._rows.send(attempt)
        except psycopg.Error as error:
            if attempt.has_answered or self._is_of_a_text(error):
                raise
            refusal_or_busy(error)
        else:
            faults = self._rows.faults(attempt)
            if faults and not self._has_locked:
                raise RowMovedError(frozenset(faults))
            if not faults:
                return self._store_after_rows(record)
        return self._write_one_by_one(record)

    def _is_of_a_text(self, error: psycopg.Error) -> bool:
        """Whether an SQL text of the mapping may have failed, for a row that is not even written."""
        # what fails inside a trigger has a context
        is_of_value = (error.sqlstate or "").startswith(OF_VALUE) and not error.diag.context
        return self._may_be_unreadable and is_of_value

    def _store_after_rows(self, record: PageRecord) -> WriteResult:
        with self._connection.pipeline():
            stored = self._store(self._rows.with_columns(record))
        self._raise_if_not_allowed(stored)
        if stored.corrected is not None:
            _raise_if_over_limit(record, stored.corrected)
        return WriteResult()

    def _write_one_by_one(self, record: PageRecord) -> WriteResult:
        """Find out which rows of a record the table refuses. Without one, store the rest of the record too."""
        self._rows.take_back()
        refused = self._rows.write_one_by_one(record.writes)
        if refused:
            self._rows.take_back()
            return WriteResult(refused)

        # together the table refuses them, one after another it does not: then they are written like that
        return self._store_after_rows(record)

    def _raise_if_not_allowed(self, stored: Stored) -> None:
        """Raise LeaseLostError or PausedError, which roll the page back."""
        raise_if_lease_lost(stored.lease, self._account)
        row = None if stored.pause is None else stored.pause.fetchone()
        if row is not None:
            raise PausedError(
                f"Account {self._account} is {Pause(*row).text}: no row was written.",
                f"To write again, run: reconciler resume --account {self._account}",
            )

    def _ask_for_pause(self) -> Cursor:
        return self._connection.execute(_SQL["page_pause"], {"account": self._account})

    def _store(self, record: PageRecord) -> Stored:
        """Store what stands in Reconciler's own tables. Meant for a pipeline."""
        lease = lock_lease(self._connection, self._account, self._epoch)
        store_facts(self._connection, self._account, record)
        self._append(record)
        # counted after the ledger's head is locked, so that two pages cannot both be the last that is allowed
        corrected = self._count_corrections(record)
        # the same holds for a pause, which adds an entry too
        return Stored(lease, corrected, self._ask_for_pause() if record.writes else None)

    def _begin(self) -> None:
        begin(self._connection)
        self._has_begun = True

    def _count_corrections(self, record: PageRecord) -> Cursor | None:
        """The service's corrections in the last hour, these among them.

        This transaction holds the ledger's head until it ends, so no other sweep can add one meanwhile.
        """
        if record.most_an_hour is None or not record.writes:
            return None
        parameters = {"account": self._account, "seconds": HOUR_SECONDS}
        return self._connection.execute(_SQL["corrections_by_service"], parameters)

    def _append(self, record: PageRecord) -> None:
        """Append to the ledger, and add an outbox row for each write that names its entry."""
        # the entries of the writes first: outbox_put counts its entries from the first one
        drafts = [*(write.entry for write in record.writes), *record.drafts]
        append(self._connection, self._account, self._epoch, drafts)
        if not record.writes:
            return

        outcomes = self._table.mapping.statuses.read
        kinds = [
            "revert" if write.entry.action is Action.REVERT else "correction"
            for write in record.writes
        ]
        parameters = {
            "account": self._account,
            "entries": len(drafts),
            "keys": storable_texts(write.payment.key for write in record.writes),
            "intents": storable_texts(
                write.payment_intent or write.payment.payment_intent for write in record.writes
            ),
            "kinds": kinds,
            "from_statuses": storable_texts(write.payment.status for write in record.writes),
            "to_statuses": storable_texts(write.to_status for write in record.writes),
            "outcomes": [
                outcomes.get(write.to_status, Outcome.UNKNOWN).value for write in record.writes
            ],
        }
        self._connection.execute(_OUTBOX["outbox_put"], parameters)
        # PostgreSQL sends it at COMMIT, so a worker never wakes too early
        self._connection.execute(_OUTBOX["outbox_notify"], {"account": self._account})


def _raise_if_over_limit(record: PageRecord, corrected: Cursor) -> None:
    """Raise HourlyLimitError if the service would have corrected more rows in the hour than it may.

    Several sweeps of the service may count at once. The ledger's head makes one of them wait for the other.
    """
    row = corrected.fetchone()
    if row is not None and record.most_an_hour is not None and row[0] > record.most_an_hour:
        raise HourlyLimitError
