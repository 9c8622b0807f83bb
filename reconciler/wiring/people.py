"""Which account a person means who names only a number: each number belongs to one account."""

from __future__ import annotations

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.settings import Account, Settings


def account_of_discrepancy(settings: Settings, named: str | None, discrepancy: int) -> Account:
    """The named account, else the one that has this discrepancy. Raises UsageError if that cannot be told."""
    if named is not None or len(settings.accounts) == 1:
        return settings.account(named)
    with Database(settings.database_url.get_secret_value()) as database:
        return settings.account(PostgresDiscrepancyList(database).account_of(discrepancy))


def account_of_sweep(settings: Settings, named: str | None, sweep: int) -> Account:
    """The named account, else the one that made this sweep. Raises UsageError if that cannot be told."""
    if named is not None or len(settings.accounts) == 1:
        return settings.account(named)
    with Database(settings.database_url.get_secret_value()) as database:
        return settings.account(PostgresDiscrepancyList(database).account_of_sweep(sweep))
