"""What one account's sweeps leave in Reconciler's own tables: their numbers, reports, cursors and reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import (
    Database,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.audit.ledger_entry import Draft, LedgerHead
from reconciler.domain.read_limits_and_shortage import QUOTA_DAYS, ReadsSpent, Source
from reconciler.errors import DatabaseRefusedError
from reconciler.masking import map_texts, storable

_SQL: Final = STATEMENTS["page"]
_AUDIT: Final = STATEMENTS["audit"]


class PostgresSweepRecords:
    """The records of one account's sweeps. Safe to share between threads.

    ``engine.ports.Store`` says what the methods mean. If the schema reconciler does not exist or may not be read, it
    counts as empty. That is found out once, here.
    """

    def __init__(self, database: Database, account: str) -> None:
        """Raises NewerSchemaError if a newer version of Reconciler has migrated the schema."""
        self._database = database
        self._account = account

        access = schema_access(database)
        self.can_read_schema = access.may_read
        self.has_schema = access.may_write

    def cursors(self) -> Mapping[str, datetime]:
        """See ``engine.ports.Store``."""
        if not self.can_read_schema:
            return {}
        parameters = {"account": self._account}
        with self._database.connection(
            "reading up to which time Stripe's events are handled"
        ) as connection:
            return dict(connection.execute(_SQL["cursors"], parameters).fetchall())

    def move_cursors(self, reached: Mapping[str, datetime], epoch: int) -> None:
        """See ``engine.ports.Store``. Raises LeaseLostError if the lease is lost."""
        if not reached:
            return
        parameters = {
            "account": self._account,
            "names": list(reached),
            "reached": list(reached.values()),
        }
        with self._database.transaction(
            "storing up to which time Stripe's events are handled"
        ) as connection:
            with connection.pipeline():
                begin(connection)
                locked = lock_lease(connection, self._account, epoch)
                connection.execute(_SQL["cursors_move"], parameters)
            # the answer is there when the pipeline has ended; raising rolls the transaction back
            raise_if_lease_lost(locked, self._account)

    def corrections_by_service(self, since_seconds: int) -> int:
        """See ``engine.ports.Store``."""
        if not self.can_read_schema:
            return 0
        parameters = {"account": self._account, "seconds": since_seconds}
        doing = "counting the service's corrections"
        return self._database.number(doing, _SQL["corrections_by_service"], parameters)

    def outbox_waiting(self) -> int:
        """See ``engine.ports.Store``."""
        parameters = {"account": self._account}
        return self._database.number(
            "counting the rows of the outbox", _SQL["outbox_waiting"], parameters
        )

    def start_sweep(self, facts: Mapping[str, object]) -> int:
        """See ``engine.ports.Store``."""
        parameters = {**facts, "account": self._account}
        doing = "recording the start of a sweep"
        return self._database.number(doing, _SQL["sweep_start"], parameters)

    def finish_sweep(
        self, sweep: int, report: Mapping[str, object], entries: Sequence[Draft], epoch: int
    ) -> LedgerHead | None:
        """See ``engine.ports.Store``; ``report`` has ``complete``.

        Raises LeaseLostError as a page does, and DatabaseRefusedError if the sweep is not running.
        """
        parameters = {
            "account": self._account,
            "sweep": sweep,
            "complete": bool(report.get("complete")),
            # its notes may quote what a row holds
            "report": json.dumps(map_texts(report, storable), default=_as_json),
        }
        with self._database.transaction("recording the end of a sweep") as connection:
            with connection.pipeline():
                begin(connection)
                ended = connection.execute(_SQL["sweep_finish"], parameters)
                locked = lock_lease(connection, self._account, epoch)
                # the ledger's head last, as everywhere, so that two transactions never wait in a circle
                append(connection, self._account, epoch, entries)
                head = (
                    connection.execute(_AUDIT["ledger_head_entry"], parameters) if entries else None
                )

            raise_if_lease_lost(locked, self._account)
            if ended.fetchone() is None:
                raise DatabaseRefusedError(
                    f"Sweep {sweep} of account {self._account} is not running: it has ended already.",
                    "Start another sweep.",
                )
            found = None if head is None else head.fetchone()
        return None if found is None else LedgerHead(*found)

    def note_anchor_error(self, sweep: int, error: str) -> None:
        """See ``engine.ports.Store``."""
        parameters = {"account": self._account, "sweep": sweep, "error": storable(error)}
        with self._database.connection(
            "recording that the ledger's head could not be anchored"
        ) as connection:
            connection.execute(_SQL["sweep_anchor_error"], parameters)

    def booked_reads(self) -> ReadsSpent:
        """See ``engine.ports.Store``."""
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
        """See ``engine.ports.Store``."""
        parameters = {
            "account": self._account,
            "sources": [source.value for source in reads],
            "counts": list(reads.values()),
        }
        with self._database.connection("booking reads") as connection:
            connection.execute(_SQL["reads_book"], parameters)


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"a report holds no {type(value).__name__}")
