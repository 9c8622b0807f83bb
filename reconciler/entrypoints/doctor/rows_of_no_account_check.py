"""Checks whether rows belong to no configured account."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.rows_of_no_account import count_rows_of_no_account
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.errors import DatabaseBusyError
from reconciler.settings import Settings


def no_account_checks(
    about: str, settings: Settings, database: Database, table: MerchantTable | None
) -> Iterator[DoctorCheck]:
    """A warning if there are such rows: no sweep examines them."""
    if table is None or table.account is None:
        return
    accounts = [account.rows for account in settings.accounts]
    try:
        found = count_rows_of_no_account(database, table, accounts)
    except DatabaseBusyError as error:
        what = f"could not count the rows that belong to no account: {error.what}"
        yield DoctorCheck(about, CheckLevel.SKIPPED, what)
        return
    if found.rows:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"{found.rows:,} rows belong to no configured account, so no sweep examines them. Their account column "
            f"holds: {found.text}",
            "Add an account for these rows to [[accounts]] (value, or holds_null for NULL), or leave the rows out "
            "with [payments] where.",
        )
