"""The figures of all accounts, read for those who look: /metrics and the command ``status``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.clock import Clock
from reconciler.domain.findings.discrepancy import Severity
from reconciler.engine.health.rate_usage import from_dict
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
    OutboxStatus,
    SweepStatus,
)
from reconciler.engine.limits.read_quota import FEWEST_READS
from reconciler.engine.report import SweepKind
from reconciler.engine.sources.tail import CURSOR
from reconciler.entrypoints.service.scheduler import JOBS
from reconciler.errors import ConfigurationError
from reconciler.settings import Settings
from reconciler.wiring import reads_allowed, table_mapping


def read_statuses(
    settings: Settings, clock: Clock, only: str | None = None
) -> tuple[AccountStatus, ...]:
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
                    sweeps=tuple(SweepStatus(*row) for row in source.sweeps()),
                    open_payments={} if table is None else source.open_payments(table),
                    table_fault=fault,
                    findings=tuple(
                        OpenFindings(Severity(severity), *rest)
                        for severity, *rest in source.discrepancies()
                    ),
                    reads=source.reads(),
                    reads_allowed=_allowed(settings, database, table, name, clock),
                    requests=source.requests(),
                    tail_lag=source.lag(CURSOR),
                    rate_usage=from_dict(*source.rate_usage()),
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


def _allowed(
    settings: Settings, database: Database, table: MerchantTable | None, name: str, clock: Clock
) -> int:
    """Our share of the reads of 30 days; of the least that Stripe allows where the table cannot be counted."""
    if table is None:
        documented = settings.budget.reads_per_30_days or FEWEST_READS
    else:
        documented = reads_allowed(settings, PostgresStore(database, table, name), clock)
    return round(documented * settings.budget.share)


def expectations(settings: Settings, status: AccountStatus) -> Expectations:
    """What the configuration promises for an account. The tail is missed only by a service: a timer does not cast it."""
    every = {
        job.name: job.every(settings, status.reads_allowed)
        for job in JOBS
        if isinstance(job.kind, SweepKind)
    }
    return Expectations(every, status.reads_allowed, delivers=settings.delivery.url is not None)


def figures(
    settings: Settings, clock: Clock
) -> tuple[tuple[AccountStatus, ...], Mapping[str, int]]:
    """The statuses, and the reads that each account may spend, for /metrics."""
    statuses = read_statuses(settings, clock)
    return statuses, {one.account: one.reads_allowed for one in statuses}
