"""Checks whether [payments] where is true for any row."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_condition import count_if_true_for_none
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.errors import DatabaseBusyError


def where_checks(
    about: str, database: Database, table: MerchantTable | None
) -> Iterator[DoctorCheck]:
    """A warning if the condition leaves out every row: then no sweep examines anything, and its reports look clean."""
    if table is None or table.mapping.where is None:
        return
    try:
        left_out = count_if_true_for_none(database, table, table.mapping.where)
    except DatabaseBusyError as error:
        what = f"could not count the rows for which payments.where is not true: {error.what}"
        yield DoctorCheck(about, CheckLevel.SKIPPED, what)
        return
    if left_out:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"[payments] where {table.mapping.where!r} is true for no row: it leaves out all {left_out:,} rows, so that no"
            " sweep examines any",
            "If these rows are payments with Stripe, correct the condition.",
        )
