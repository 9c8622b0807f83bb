"""What the service records about itself, and which old rows it deletes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["coordination"]

EVENT_DAYS: Final = 30
"""As long as Stripe keeps them: https://docs.stripe.com/api/events."""
READ_DAYS: Final = 32
"""Stripe counts reads over 30 days."""
SWEEP_DAYS: Final = 90
"""How long a sweep that left no correction, discrepancy or request is kept."""
REQUEST_DAYS: Final = 90
"""How long a person's request for a sweep is kept after its answer; the ledger names who asked for a sweep that wrote."""
LINE_DAYS: Final = 1
"""How long the lines of such a request wait for the command that asked for them."""
MOST_REQUESTS: Final = 20_000
"""Requests deleted at a time."""
MOST_SWEEPS: Final = 20_000
"""Sweeps deleted at a time, about ten days of one a minute: a backlog goes in short parts."""
RECHECK_DAYS: Final = 90
"""How long a recheck stays to which complete sweeps give no verdict."""
VIEW_DAYS: Final = 400
"""How long it is kept who looked at a payment: a year's audit, and a month to make it."""
OUTBOX_DAYS: Final = 90
"""How long an outbox row is kept after its delivery."""
MOST_OUTBOX_ROWS: Final = 20_000
"""Outbox rows deleted at a time."""
_HOUSEKEEPING: Final = "deleting old rows"


class PostgresServiceRecord:
    """One account's row about the service that works on it. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def register(self, holder: str, epoch: int, mode: str) -> None:
        """Record that the holder of this lease serves the account from now on."""
        self._run(
            "service_register", "registering the service", holder=holder, epoch=epoch, mode=mode
        )

    def error_met(self, epoch: int, error: str | None, *, needs_person: bool = False) -> None:
        """Record what keeps the service from its work; None if nothing does any longer."""
        self._run(
            "service_error",
            "recording an error",
            epoch=epoch,
            error=error,
            needs_person=needs_person,
        )

    def rate_usage(self, epoch: int, usage: Mapping[str, object]) -> None:
        """Record how fast the service reads Stripe now."""
        text = json.dumps(usage)
        self._run("service_rate_usage", "recording the rate usage", epoch=epoch, rate_usage=text)

    def delete_old_rows(self) -> int:
        """Delete old events, rechecks, views, delivered messages, counts of reads, replicas, requests with their lines, and empty sweeps.

        A request is old some time after its answer. Returns the number of rows. The ledger, discrepancies and notes are never deleted.
        """
        return (
            self._run("housekeeping_events", _HOUSEKEEPING, days=EVENT_DAYS)
            + self._run("housekeeping_reads", _HOUSEKEEPING, days=READ_DAYS)
            + self._run("housekeeping_replicas", _HOUSEKEEPING)
            + self._run("housekeeping_rechecks", _HOUSEKEEPING, days=RECHECK_DAYS)
            + self._run("housekeeping_payment_views", _HOUSEKEEPING, days=VIEW_DAYS)
            + self._delete_by_function("housekeeping_outbox", OUTBOX_DAYS, MOST_OUTBOX_ROWS)
            + self._run("housekeeping_request_lines", _HOUSEKEEPING, days=LINE_DAYS)
            # before the sweeps: a sweep that a request names stays
            + self._delete_by_function("housekeeping_requests", REQUEST_DAYS, MOST_REQUESTS)
            + self._run("housekeeping_sweeps", _HOUSEKEEPING, days=SWEEP_DAYS, limit=MOST_SWEEPS)
        )

    def _delete_by_function(self, name: str, days: int, most: int) -> int:
        """Delete rows by a function of the database: the service's role may delete none of that table itself."""
        parameters = {"account": self._account, "days": days, "limit": most}
        return self._database.number(_HOUSEKEEPING, _SQL[name], parameters)

    def correction_delays(self, sweep: int) -> tuple[float, ...]:
        """Seconds from Stripe's newest event to the correction, for each correction whose events are known."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading a sweep's corrections") as connection:
            rows = connection.execute(_SQL["correction_delays"], parameters).fetchall()
        return tuple(float(row[0]) for row in rows)

    def _run(self, name: str, doing: str, **values: object) -> int:
        """Execute a statement; the number of rows that it wrote."""
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).rowcount
