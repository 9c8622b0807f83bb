"""The figures of all accounts, read for those who look: /metrics and the command ``status``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.inspection import inspect
from reconciler.adapters.postgres.merchant_table import MerchantTable
from reconciler.adapters.postgres.status import PostgresStatus
from reconciler.domain.discrepancy import Severity
from reconciler.engine.pace_form import from_pace_form
from reconciler.engine.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
    OutboxStatus,
    PassStatus,
)
from reconciler.engine.tail import CURSOR
from reconciler.entrypoints.service.timetable import tail_pace
from reconciler.errors import ConfigurationError
from reconciler.settings import Settings
from reconciler.wiring import table_mapping


def read_statuses(settings: Settings, only: str | None = None) -> tuple[AccountStatus, ...]:
    """The status of each account, or of one. Needs the database and the table, no key.

    A table that is not as configured is a remark. Raises DatabaseUnavailableError and DatabaseRefusedError.
    """
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        accounts = [one.name for one in settings.accounts]
        table, fault = _table(database, settings, accounts)
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
                    open_payments={} if table is None else source.open_payments(table),
                    table_fault=fault,
                    findings=tuple(
                        OpenFindings(Severity(severity), *rest)
                        for severity, *rest in source.discrepancies()
                    ),
                    reads=source.reads(),
                    requests=source.requests(),
                    tail_lag=source.lag(CURSOR),
                    pace=from_pace_form(*source.pace()),
                    outbox=OutboxStatus(*source.outbox()),
                )
            )
        return tuple(found)


def _table(
    database: Database, settings: Settings, accounts: Sequence[str]
) -> tuple[MerchantTable | None, str | None]:
    """The merchant's table, or what is wrong with it: then there is the more reason to show the rest."""
    mapping = table_mapping(settings.table)
    try:
        return inspect(database, mapping, writes=False, accounts=accounts).fitting(), None
    except ConfigurationError as error:
        return None, str(error)


def expectations(settings: Settings) -> Expectations:
    """What the configuration promises. The tail is missed only by a service: a timer does not cast it."""
    every = {
        "tail": tail_pace(settings),
        "due": settings.service.due,
        "window": settings.service.window,
    }
    reads = settings.budget.reads_per_30_days
    return Expectations(
        every,
        None if reads is None else int(reads * settings.budget.share),
        delivers=settings.delivery.url is not None,
    )


def figures(settings: Settings) -> tuple[tuple[AccountStatus, ...], Mapping[str, int]]:
    """The statuses, and the reads that each account may spend, for /metrics."""
    expected = expectations(settings)
    statuses = read_statuses(settings)
    limits = {one.account: expected.reads for one in statuses if expected.reads is not None}
    return statuses, limits
