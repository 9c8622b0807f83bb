"""One account's discrepancies, to accept Stripe's side for; and the corrections of a sweep, to revert."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
)
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import CorrectionEntry
from reconciler.domain.findings.listed_discrepancy import Discrepancy

_SQL: Final = STATEMENTS["discrepancies"]


class PostgresDiscrepancyStore:
    """``engine.ports.DiscrepancyStore`` says what the methods mean."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """One discrepancy of this account; None if there is none with this number."""
        wanted = DiscrepancyFilter(account=self._account, ids=(discrepancy_id,))
        found = PostgresDiscrepancyList(self._database).find(wanted)
        return found[0] if found else None

    def corrections(self, sweep: int) -> tuple[CorrectionEntry, ...]:
        """What a sweep corrected, in the ledger's order, and whether it was reverted."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading a sweep's corrections") as connection:
            rows = connection.execute(_SQL["corrections_of_sweep"], parameters).fetchall()
        return tuple(CorrectionEntry(*row) for row in rows)

    def reverted_intents(self, sweep: int) -> tuple[str, ...]:
        """See ``engine.ports.DiscrepancyStore``."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading the corrections that were undone") as connection:
            rows = connection.execute(_SQL["reverted_intents"], parameters).fetchall()
        return tuple(row[0] for row in rows)

    def last_rebind(self) -> int:
        """The number of the ledger's last entry that bound the account to another table, 0 if there is none."""
        parameters = {"account": self._account}
        with self._database.connection(
            "reading when an account was bound to its table"
        ) as connection:
            rows = connection.execute(_SQL["last_rebind"], parameters).fetchall()
        return int(rows[0][0])
