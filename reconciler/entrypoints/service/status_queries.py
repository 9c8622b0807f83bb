"""The status of all accounts, read from the database for /metrics and for ``reconciler status``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.clock import Clock
from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.model.pause import Pause
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.engine.health.rate_usage import from_dict
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
    OutboxStatus,
    Refusals,
    SweepStatus,
)
from reconciler.engine.limits.read_quota import FEWEST_READS
from reconciler.engine.report import SweepKind
from reconciler.engine.sources.tail import CURSOR
from reconciler.entrypoints.service.scheduler import JOBS
from reconciler.errors import ConfigurationError
from reconciler.settings import Account, Settings
from reconciler.wiring.limits import reads_allowed
from reconciler.wiring.table_binding import table_guard


def read_statuses(
    settings: Settings, clock: Clock, only: str | None = None
) -> tuple[AccountStatus, ...]:
    """The status of each account, or of the one that ``only`` names. Needs the database, no Stripe key.

    A table that does not fit the configuration becomes the status's ``table_fault``. Raises DatabaseUnavailableError and
    DatabaseRefusedError.
    """
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        # raises if a newer version has migrated the schema
        schema_access(database)
        # the table is inspected once, with all accounts: they share it
        table, fault = _inspect_table(database, settings)
        return tuple(
            _read_status(
                settings,
                clock,
                database,
                account.name,
                *_table_of_account(database, account, table, fault),
            )
            for account in settings.accounts
            if only is None or account.name == only
        )


def _read_status(
    settings: Settings,
    clock: Clock,
    database: Database,
    account: str,
    table: MerchantTable | None,
    table_fault: str | None,
) -> AccountStatus:
    status = PostgresStatus(database, account)
    pause = status.pause()
    open_payments, without_intent = ({}, None) if table is None else status.open_payments(table)
    return AccountStatus(
        account=account,
        lease=LeaseStatus(*status.lease()),
        sweeps=tuple(_sweep_status(*row) for row in status.sweeps()),
        open_payments=open_payments,
        open_without_intent=without_intent,
        table_fault=table_fault,
        findings=tuple(
            OpenFindings(Severity(severity), *rest) for severity, *rest in status.discrepancies()
        ),
        refusals=tuple(Refusals(*row) for row in status.refusals()),
        reads=status.reads(),
        reads_allowed=_reads_allowed(settings, database, table, account, clock),
        requests=status.requests(),
        tail_lag=status.lag(CURSOR),
        rate_usage=from_dict(*status.rate_usage()),
        outbox=OutboxStatus(*status.outbox()),
        pause=None if pause is None else Pause(*pause),
    )


def _sweep_status(*row: Any) -> SweepStatus:
    # the last column is JSON
    counted = None if row[-1] is None else RowsOfNoAccount.of_dict(row[-1])
    return replace(SweepStatus(*row), rows_of_no_account=counted)


def _inspect_table(
    database: Database, settings: Settings
) -> tuple[MerchantTable | None, str | None]:
    """The merchant's table, or what is wrong with it: the rest of the status matters even more in that case."""
    mapping = settings.table.mapping
    accounts = [account.rows for account in settings.accounts]
    try:
        return inspect(database, mapping, writes=False, accounts=accounts).table_or_raise(), None
    except ConfigurationError as error:
        return None, str(error)


def _table_of_account(
    database: Database, account: Account, table: MerchantTable | None, fault: str | None
) -> tuple[MerchantTable | None, str | None]:
    """The table with the account's rows, or why they cannot be counted: the account is bound to another table."""
    if table is None:
        return None, fault
    if schema_access(database).may_read:
        try:
            table_guard(database, table, account).raise_if_bound_elsewhere()
        except ConfigurationError as error:
            return None, str(error)
    return replace(table, account_rows=account.rows), None


def _reads_allowed(
    settings: Settings, database: Database, table: MerchantTable | None, account: str, clock: Clock
) -> int:
    """Reconciler's share of the reads in 30 days.

    Stripe allows reads by the number of transactions. If the table cannot be counted, it is a share of the fewest reads
    that Stripe allows.
    """
    if table is None:
        allowed = settings.budget.reads_per_30_days or FEWEST_READS
    else:
        allowed = reads_allowed(settings, PostgresStore(database, table, account), clock)
    return round(allowed * settings.budget.share)


def expectations(settings: Settings, status: AccountStatus) -> Expectations:
    """What the configuration promises for an account: an interval for each kind of sweep, reads, and deliveries."""
    intervals = {
        job.name: job.interval(settings, status.reads_allowed)
        for job in JOBS
        if isinstance(job.kind, SweepKind)
    }
    return Expectations(
        intervals,
        status.reads_allowed,
        delivers=settings.delivery.url is not None,
        endpoint=endpoint_host(settings),
    )


def endpoint_host(settings: Settings) -> str | None:
    """The host of ``delivery.url``, without what may be secret of it; None if there is no endpoint."""
    url = settings.delivery.url
    return None if url is None else urlsplit(str(url)).hostname


def statuses_for_metrics(
    settings: Settings, clock: Clock
) -> tuple[tuple[AccountStatus, ...], Mapping[str, int]]:
    """The status of every account, and by account the reads that it may spend in 30 days."""
    statuses = read_statuses(settings, clock)
    return statuses, {status.account: status.reads_allowed for status in statuses}
