"""What auditors and operators read: Reconciler's tables, over all accounts."""

from __future__ import annotations

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList


class Audit:
    """Discrepancies and ledger, for reading alone."""

    def __init__(self, database: Database) -> None:
        self.discrepancies = PostgresDiscrepancyList(database)
        self.ledger = PostgresLedger(database)
