"""What the program has done and still means to do, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statement
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Check


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """A pass. One without ``finished_at``, ``complete`` and ``report`` is running, or died."""

    id: int
    account: str
    kind: str
    mode: str
    applied: bool
    asked_by: str
    started_at: datetime
    finished_at: datetime | None
    complete: bool | None
    report: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A correction that the merchant's code has to act upon. ``kind`` is "correction" or "revert"."""

    id: int
    account: str
    payment_key: str
    payment_intent: str | None
    kind: str
    from_status: str | None
    to_status: str | None
    outcome: str
    ledger_seq: int
    created_at: datetime
    delivered_at: datetime | None
    attempts: int
    last_error: str | None


class PostgresActivity:
    """Sweeps, reads, events, checks and the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sweeps(self, account: str | None = None, limit: int = 20) -> tuple[StoredSweep, ...]:
        """The latest passes, newest first, of one account or of all."""
        parameters = {"account": account, "limit": limit}
        return tuple(StoredSweep(*row) for row in self._rows("sweeps_latest", parameters))

    def reads(self, account: str, days: int = 30) -> int:
        """How many reads were spent in the last so many days."""
        return int(self._rows("reads_sum", {"account": account, "days": days})[0][0])

    def events(self, account: str, payment_intent: str) -> tuple[Event, ...]:
        """The events known of an intent, oldest first."""
        parameters = {"account": account, "intents": [payment_intent]}
        return tuple(Event(*row) for row in self._rows("events_of_intents", parameters))

    def checks(self, account: str, limit: int = 1000) -> tuple[Check, ...]:
        """What waits to be looked at again, the first due first."""
        parameters = {"account": account, "limit": limit}
        return tuple(Check(*row) for row in self._rows("checks_all", parameters))

    def check(self, account: str, payment_intent: str) -> Check | None:
        """When an intent is looked at again, None where that is not planned."""
        parameters = {"account": account, "payment_intent": payment_intent}
        rows = self._rows("check_of_intent", parameters)
        return Check(*rows[0]) if rows else None

    def outbox(
        self, account: str, *, waiting: bool, after: int = 0, limit: int = 1000
    ) -> tuple[OutboxRow, ...]:
        """Outbox rows in order, from after an id; ``waiting`` leaves out those that were delivered."""
        parameters = {"account": account, "waiting": waiting, "after": after, "limit": limit}
        return tuple(OutboxRow(*row) for row in self._rows("outbox_rows", parameters))

    def _rows(self, name: str, parameters: Mapping[str, object]) -> list[TupleRow]:
        with self._database.connection("reading what was done") as connection:
            return connection.execute(statement(name), parameters).fetchall()
