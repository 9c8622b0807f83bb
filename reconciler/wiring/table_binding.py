"""Binds accounts to the configured table, for ``migrate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.adapters.postgres.audit.ledger import PostgresLedger, append
from reconciler.adapters.postgres.coordination.configuration_record import (
    PostgresConfigurationRecord,
)
from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.coordination.table_bindings import (
    PostgresTableBindings,
    configured_binding,
)
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import Inspection, inspect
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.clock import Clock
from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.engine.lease.lease import Lease
from reconciler.engine.lease.table_binding import Rebound, TableGuard
from reconciler.program_version import program_version
from reconciler.settings import Account, Settings
from reconciler.settings.fingerprint import deciding_settings
from reconciler.wiring.account import new_holder


def table_guard(database: Database, table: MerchantTable, account: Account) -> TableGuard:
    """The guard of an account for the configured table."""
    of_account = replace(table, account_rows=account.rows)
    bindings = PostgresTableBindings(database, of_account, account.name)
    return TableGuard(account.name, configured_binding(of_account), bindings)


def bind_accounts(settings: Settings) -> Iterator[str]:
    """Bind each account that is not bound yet. Yields a line for a table that cannot be read or does not fit.

    Then the first process that writes binds it: the role that migrates often may not read the merchant's table. Raises
    ConfigurationError if an account is bound to another table.
    """
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        found = _inspect(database, settings)
        if found.table is None:
            fault = found.faults[0]
            yield f"The accounts were not bound to the table {settings.table.table}: {fault.what}"
            return
        for account in settings.accounts:
            table_guard(database, found.table, account).bind()
            record = PostgresConfigurationRecord(database, account.name)
            record.store_first(deciding_settings(settings))


def record_migration(settings: Settings, applied: Sequence[str], by: str) -> None:
    """Add an entry to every ledger that exists, if something was applied to Reconciler's own tables."""
    if not applied:
        return
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        body = {**AskedBy(by).fields, "applied": list(applied), "program": program_version()}
        for account in PostgresLedger(database).accounts():
            with database.transaction("recording a migration") as connection:
                append(connection, account, None, (Draft(Action.MIGRATION, body),))


def rebind_account(settings: Settings, account: Account, clock: Clock, by: str) -> Rebound:
    """Bind one account to the configured table, with a ledger entry.

    Takes the account's lease, so that no service works with the old table meanwhile. Raises LeaseHeldError, and
    ConfigurationError if the mapping does not fit the table.
    """
    with Database(settings.database_url.get_secret_value(), size=2) as database:
        guard = table_guard(database, _inspect(database, settings).table_or_raise(), account)
        leases = PostgresLeaseStore(database, account.name)
        with Lease(leases, new_holder(), clock) as lease:
            return guard.rebind(lease.epoch, AskedBy(by))


def _inspect(database: Database, settings: Settings) -> Inspection:
    return inspect(
        database,
        settings.table.mapping,
        writes=False,
        accounts=[one.rows for one in settings.accounts],
    )
