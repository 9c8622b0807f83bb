"""The transaction in which a page is recorded: row, finding, ledger and outbox together or not at all.

The locks are taken in one order, so that two of these never wait for each other in a circle: the merchant's rows by
key, the discrepancies by id, the update, the lease, Reconciler's tables, and the ledger's head last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import (
    Connection,
    Cursor,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable, RowReader
from reconciler.adapters.postgres.page.stored_facts import ask_for_stored_facts, store_facts
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.errors import HourlyLimitError, RowMovedError, RowRefusedError

_SQL: Final = STATEMENTS["page"]
_OUTBOX: Final = STATEMENTS["outbox"]

HOUR_SECONDS: Final = 3600


class PostgresPageTransaction:
    """One page's transaction on one connection: two round trips, and COMMIT.

    The connection turns psycopg's errors into Reconciler's when the block of the transaction ends.
    """

    def __init__(
        self,
        connection: Connection,
        table: MerchantTable,
        reader: RowReader,
        account: str,
        epoch: int,
    ) -> None:
        self._connection = connection
        self._table = table
        self._reader = reader
        self._account = account
        self._epoch = epoch
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
        statement = table.rows_locked if lock else table.rows_again
        parameters = {
            "account": self._account,
            "intents": table.intents(intents),
            "keys": table.key.held(keys),
        }

        # the rows before the discrepancies: every transaction locks in this order
        with self._connection.pipeline():
            self._begin_once()
            rows = self._connection.execute(statement, parameters)
            facts = ask_for_stored_facts(
                self._connection, self._account, [*intents, *also_known], readable=True, lock=True
            )
        self._has_locked = lock
        return facts.loaded(self._reader.payments(rows.fetchall()))

    def rows_of_orders(self, orders: Sequence[str]) -> tuple[Payment, ...]:
        """As ``engine.ports.PageTransaction`` has it."""
        named = self._table.orders(orders)
        if not named:
            return ()
        self._begin_once()
        rows = self._connection.execute(self._table.rows_of_orders, {"orders": named})
        return self._reader.payments(rows.fetchall())

    def write(self, record: PageRecord) -> None:
        """As ``engine.ports.PageTransaction`` has it; one round trip. The block's end commits."""
        with self._connection.pipeline():
            self._begin_once()
            written = self._update(record.writes)
            locked = lock_lease(self._connection, self._account, self._epoch)
            store_facts(self._connection, self._account, record)
            self._append(record)
            # counted after the ledger's head is locked, so that two pages cannot both be the last that is allowed
            corrected = self._count_corrections(record)

        # the answers are there now; each of these rolls the page back
        _raise_if_not_written(record.writes, written, locked=self._has_locked)
        raise_if_lease_lost(locked, self._account)
        _raise_if_over_limit(record, corrected)

    def _begin_once(self) -> None:
        if not self._has_begun:
            begin(self._connection)
            self._has_begun = True

    def _update(self, writes: Sequence[RowWrite]) -> Cursor | None:
        if not writes:
            return None
        # a role without UPDATE on the intent's column can still correct statuses
        linking = any(write.payment_intent != write.payment.payment_intent for write in writes)
        parameters = {
            "account": self._account,
            "keys": [write.payment.key for write in writes],
            "payment_intents": [write.payment.payment_intent for write in writes],
            "statuses": [write.payment.status for write in writes],
            # as the database prints them, so that no conversion hides a change
            "amounts": [write.payment.stored_amount for write in writes],
            "currencies": [write.payment.stored_currency for write in writes],
            "to_statuses": [write.to_status for write in writes],
            "to_intents": [write.payment_intent for write in writes],
        }
        return self._connection.execute(self._table.update(linking=linking), parameters)

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
        append(self._connection, self._account, drafts)
        if not record.writes:
            return

        outcomes = self._table.mapping.statuses
        kinds = [
            "revert" if write.entry.action is Action.REVERT else "correction"
            for write in record.writes
        ]
        parameters = {
            "account": self._account,
            "entries": len(drafts),
            "keys": [write.payment.key for write in record.writes],
            "intents": [
                write.payment_intent or write.payment.payment_intent for write in record.writes
            ],
            "kinds": kinds,
            "from_statuses": [write.payment.status for write in record.writes],
            "to_statuses": [write.to_status for write in record.writes],
            "outcomes": [outcomes.outcome(write.to_status).value for write in record.writes],
        }
        self._connection.execute(_OUTBOX["outbox_put"], parameters)
        # PostgreSQL sends it at COMMIT, so a worker never wakes too early
        self._connection.execute(_OUTBOX["outbox_notify"], {"account": self._account})


def _raise_if_not_written(
    writes: Sequence[RowWrite], written: Cursor | None, *, locked: bool
) -> None:
    """Raise unless every row was written once and holds what was written: a trigger may have changed it.

    A row that this transaction has locked cannot have moved, so there it is a refusal. Raises RowRefusedError or
    RowMovedError.
    """
    if written is None:
        return
    # no row came back: it has changed; two came back: the key names two rows
    returned = written.fetchall()
    times = Counter(row[0] for row in returned)
    now = {row[0]: (row[1], row[2]) for row in returned}
    wrong = frozenset(
        write.payment.key
        for write in writes
        if times[write.payment.key] != 1
        or now[write.payment.key] != (write.to_status, write.payment_intent)
    )
    if wrong and locked:
        raise RowRefusedError(
            f"What was written to row {', '.join(sorted(wrong)[:5])} did not stay: a trigger, rule or policy of the"
            " table changed or vetoed it, or its key is not unique. Nothing was written.",
            "Correct [payments.write], or the trigger.",
        )
    if wrong:
        raise RowMovedError(wrong)


def _raise_if_over_limit(record: PageRecord, corrected: Cursor | None) -> None:
    """Raise HourlyLimitError if the service would have corrected more rows in the hour than it may.

    Several sweeps of the service may count at once. The ledger's head makes one of them wait for the other.
    """
    row = None if corrected is None else corrected.fetchone()
    if row is not None and record.most_an_hour is not None and row[0] > record.most_an_hour:
        raise HourlyLimitError
