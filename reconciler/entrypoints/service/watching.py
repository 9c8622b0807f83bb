"""The figures of all accounts, read for those who look: /metrics and the command ``status``."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.inspection import inspect
from reconciler.adapters.postgres.status import PostgresStatus
from reconciler.adapters.postgres.store import PostgresStore
from reconciler.clock import Clock
from reconciler.domain.discrepancy import Severity
from reconciler.engine.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
    PassStatus,
)
from reconciler.entrypoints.service.timetable import JOBS
from reconciler.settings import Settings
from reconciler.wiring import reads_allowed, table_mapping


def read_statuses(
    settings: Settings, clock: Clock, only: str | None = None
) -> tuple[AccountStatus, ...]:
    """The status of each account, or of one. Needs the database and the table, no key.

    Raises ConfigurationError, DatabaseUnavailableError and DatabaseRefusedError.
    """
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        accounts = [one.name for one in settings.accounts]
        table = inspect(
            database, table_mapping(settings.table), writes=False, accounts=accounts
        ).fitting()
        found = []
        for name in accounts:
            if only is not None and name != only:
                continue
            source = PostgresStatus(database, name)
            found.append(
                AccountStatus(
                    account=name,
                    lease=LeaseStatus(*source.lease()),
                    passes=tuple(PassStatus(*row) for row in source.passes()),
                    open_payments=source.open_payments(table),
                    findings=tuple(
                        OpenFindings(Severity(severity), *rest)
                        for severity, *rest in source.discrepancies()
                    ),
                    reads=source.reads(),
                    reads_allowed=_allowed(settings, PostgresStore(database, table, name), clock),
                    requests=source.requests(),
                )
            )
        return tuple(found)


def _allowed(settings: Settings, store: PostgresStore, clock: Clock) -> int:
    """Our share of the reads of 30 days."""
    return round(reads_allowed(settings, store, clock) * settings.budget.share)


def expectations(settings: Settings, status: AccountStatus) -> Expectations:
    """What the configuration promises for an account. The tail is missed only by a service: a timer does not cast it."""
    every = {job.name: job.every(settings, status.reads_allowed) for job in JOBS if job.kind}
    return Expectations(every, status.reads_allowed)


def figures(
    settings: Settings, clock: Clock
) -> tuple[tuple[AccountStatus, ...], Mapping[str, int]]:
    """The statuses, and the reads that each account may spend, for /metrics."""
    statuses = read_statuses(settings, clock)
    return statuses, {one.account: one.reads_allowed for one in statuses}
