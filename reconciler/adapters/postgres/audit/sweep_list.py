"""The sweeps of all accounts, for people."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.model.listed_sweep import ListedCorrection, SweepSummary

_SQL: Final = STATEMENTS["audit"]


def listed_sweeps(
    database: Database, account: str | None, sweep: int | None, limit: int | None
) -> tuple[SweepSummary, ...]:
    """The newest sweeps of an account, or of all; only one if ``sweep`` is its number."""
    parameters = {"account": account, "id": sweep, "limit": limit}
    with database.connection("reading the sweeps") as connection:
        rows = connection.execute(_SQL["sweeps_listed"], parameters, prepare=False).fetchall()
    return tuple(SweepSummary(*row) for row in rows)


def listed_corrections(
    database: Database, account: str, sweep: int
) -> tuple[ListedCorrection, ...]:
    """The rows that a sweep corrected, in the ledger's order, those that were taken back among them."""
    parameters = {"account": account, "sweep": sweep}
    with database.connection("reading the corrections of a sweep") as connection:
        rows = connection.execute(_SQL["corrections_listed"], parameters).fetchall()
    return tuple(ListedCorrection(*row) for row in rows)
