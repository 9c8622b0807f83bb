"""What the service says of itself in our tables, and what it tidies away there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements

_SQL: Final = statements("coordination")

EVENT_DAYS: Final = 30
"""As long as Stripe keeps them: https://docs.stripe.com/api/events."""
READ_DAYS: Final = 32
"""Stripe counts reads over 30 days."""
SWEEP_DAYS: Final = 90
"""How long a sweep that has left nothing else behind is shown."""
MOST_SWEEPS: Final = 20_000
"""Ten days of ticks a minute: a backlog goes in parts, none of which takes long."""


class PostgresServiceRecord:
    """One account's line about the service that works on it. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def register(self, holder: str, epoch: int, mode: str) -> None:
        """The holder of this lease serves the account from now on."""
        self._run(
            "service_register", "registering the service", holder=holder, epoch=epoch, mode=mode
        )

    def error_met(self, epoch: int, error: str | None, *, needs_person: bool = False) -> None:
        """What keeps the service from its work, None where nothing does any longer."""
        self._run(
            "service_error",
            "recording a trouble",
            epoch=epoch,
            error=error,
            needs_person=needs_person,
        )

    def rate_usage(self, epoch: int, usage: Mapping[str, object]) -> None:
        """How fast the service asks Stripe now."""
        text = json.dumps(usage)
        self._run("service_rate_usage", "recording the rate usage", epoch=epoch, rate_usage=text)

    def delete_old_rows(self) -> int:
        """Remove events, counts of reads, dead replicas and sweeps that nobody needs any longer; how many rows."""
        return (
            self._run("housekeeping_events", "tidying", days=EVENT_DAYS)
            + self._run("housekeeping_reads", "tidying", days=READ_DAYS)
            + self._run("housekeeping_replicas", "tidying")
            + self._run("housekeeping_sweeps", "tidying", days=SWEEP_DAYS, limit=MOST_SWEEPS)
        )

    def correction_delays(self, sweep: int) -> tuple[float, ...]:
        """Seconds from Stripe's newest event to our correction, of each correction of a sweep whose events are known."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading a pass's corrections") as connection:
            rows = connection.execute(_SQL["correction_delays"], parameters).fetchall()
        return tuple(float(row[0]) for row in rows)

    def _run(self, name: str, doing: str, **values: object) -> int:
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).rowcount
