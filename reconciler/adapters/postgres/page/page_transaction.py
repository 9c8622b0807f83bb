"""The transaction in which a page is recorded: row, finding, ledger and outbox together or not at all.

In this order, so that two of these never wait for each other in a circle: the merchant's rows by key, the
discrepancies by id, the update, the lease, our tables, and the ledger's head last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.audit.ledger_append import append
from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.discrepancies.discrepancy_updates import store_updates
from reconciler.adapters.postgres.errors import map_errors
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.rows import RowReader
from reconciler.adapters.postgres.page.stored_facts import ask_for_stored_facts
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import Cursor, begin, check_fence, fence
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.recheck import NEXT_POLL
from reconciler.errors import HourlyLimitError, RowMovedError, RowRefusedError

_SQL: Final = statements("page")
_OUTBOX: Final = statements("outbox")

_DOING = "recording a page"
HOUR_SECONDS = 3600


class PostgresPageTransaction:
    """One page's transaction on one connection: two round trips, and COMMIT."""

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
        parameters = {
            "account": self._account,
            "intents": table.intents(intents),
            "keys": [key for key in keys if table.key.holds(key)],
        }
        with map_errors(_DOING):
            with self._connection.pipeline():
                self._begin()
                rows = self._connection.execute(
                    table.rows_locked if lock else table.rows_again, parameters
                )
                named = [*intents, *also_known]
                knowledge = ask_for_stored_facts(
                    self._connection, self._account, named, readable=True, lock=True
                )
            self._has_locked = lock
            return knowledge.loaded(self._reader.payments(rows.fetchall()))

    def write(self, record: PageRecord) -> None:
        """As ``engine.ports.PageTransaction`` has it; one round trip. The block's end commits."""
        with map_errors(_DOING):
            with self._connection.pipeline():
                self._begin()
                written = self._update(record.writes)
                fenced = fence(self._connection, self._account, self._epoch)
                store_updates(self._connection, self._account, record)
                self._put_rechecks(record)
                self._put_events(record.events)
                self._append(record)
                corrected = self._count_corrections(record)
            _check_written(record.writes, written, locked=self._has_locked)
            check_fence(fenced, self._account)
            _check_limit(record, corrected)

    def _begin(self) -> None:
        if not self._has_begun:
            begin(self._connection)
            self._has_begun = True

    def _update(self, writes: Sequence[RowWrite]) -> Cursor | None:
        if not writes:
            return None
        linking = any(write.payment_intent != write.payment.payment_intent for write in writes)
        parameters = {
            "account": self._account,
            "keys": [write.payment.key for write in writes],
            "payment_intents": [write.payment.payment_intent for write in writes],
            "statuses": [write.payment.status for write in writes],
            "amounts": [write.payment.stored_amount for write in writes],
            "currencies": [write.payment.stored_currency for write in writes],
            "to_statuses": [write.to_status for write in writes],
            "to_intents": [write.payment_intent for write in writes],
        }
        return self._connection.execute(self._table.update(linking=linking), parameters)

    def _put_rechecks(self, record: PageRecord) -> None:
        common = {"account": self._account, "scheduled": NEXT_POLL, "now": record.seen_at}
        if record.settled:
            self._connection.execute(
                _SQL["rechecks_remove"], {**common, "intents": list(record.settled)}
            )
        once = {recheck.payment_intent: recheck for recheck in record.rechecks}
        if once:
            self._connection.execute(
                _SQL["rechecks_put"],
                {
                    **common,
                    "intents": list(once),
                    "due": [recheck.due_at for recheck in once.values()],
                    "reasons": [recheck.reason for recheck in once.values()],
                },
            )

    def _put_events(self, events: Sequence[Event]) -> None:
        once = {event.id: event for event in events}
        if once:
            self._connection.execute(
                _SQL["events_put"],
                {
                    "account": self._account,
                    "ids": list(once),
                    "types": [event.type for event in once.values()],
                    "created": [event.created for event in once.values()],
                    "intents": [event.payment_intent for event in once.values()],
                    "delivered": [event.delivered for event in once.values()],
                },
            )

    def _count_corrections(self, record: PageRecord) -> Cursor | None:
        """How many the service has made in the hour, these among them: the ledger's head is ours until the end."""
        if record.most_an_hour is None or not record.writes:
            return None
        parameters = {"account": self._account, "seconds": HOUR_SECONDS}
        return self._connection.execute(_SQL["corrections_by_service"], parameters)

    def _append(self, record: PageRecord) -> None:
        """The ledger, and an outbox row for each write, which names the entry of it."""
        drafts = [*(write.entry for write in record.writes), *record.drafts]
        append(self._connection, self._account, drafts)
        if not record.writes:
            return
        statuses = self._table.mapping.statuses
        kinds = [
            "revert" if write.entry.action is Action.REVERT else "correction"
            for write in record.writes
        ]
        self._connection.execute(
            _OUTBOX["outbox_put"],
            {
                "account": self._account,
                "entries": len(drafts),
                "keys": [write.payment.key for write in record.writes],
                "intents": [
                    write.payment_intent or write.payment.payment_intent for write in record.writes
                ],
                "kinds": kinds,
                "from_statuses": [write.payment.status for write in record.writes],
                "to_statuses": [write.to_status for write in record.writes],
                "outcomes": [statuses.outcome(write.to_status).value for write in record.writes],
            },
        )
        self._connection.execute(_OUTBOX["outbox_notify"], {"account": self._account})


def _check_written(writes: Sequence[RowWrite], written: Cursor | None, *, locked: bool) -> None:
    """Every row once, and holding what was written: a trigger may have had other ideas.

    A row that we hold locked cannot have moved: there it is a refusal.
    """
    if written is None:
        return
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
            " table changed or vetoed it, or its key is not unique.",
            "Nothing was written. Correct [payments.write], or the trigger.",
        )
    if wrong:
        raise RowMovedError(wrong)


def _check_limit(record: PageRecord, corrected: Cursor | None) -> None:
    """Several sweeps of the service may count at once; the ledger's head makes one of them see the other."""
    row = None if corrected is None else corrected.fetchone()
    if row is not None and record.most_an_hour is not None and row[0] > record.most_an_hour:
        raise HourlyLimitError
