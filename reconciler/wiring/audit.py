"""What auditors and operators read: the discrepancies and the ledger of all accounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.audit.statement_records import (
    StatementRecords,
    statement_records,
)
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.domain.statement.period import Period
from reconciler.settings import Settings


@dataclass(frozen=True, slots=True)
class Audit:
    """Discrepancies and ledger, for reading."""

    discrepancies: PostgresDiscrepancyList
    ledger: PostgresLedger
    database: Database

    def statement_records(self, account: str, period: Period, cut: datetime) -> StatementRecords:
        """What the ledger held at ``cut`` about a period."""
        return statement_records(self.database, account, period, cut)


@contextmanager
def open_audit(settings: Settings) -> Iterator[Audit]:
    """Discrepancies and ledger, for the length of the block. Needs no Stripe key and no table.

    Raises NewerSchemaError if a newer version has migrated the schema.
    """
    with Database(settings.database_url.get_secret_value()) as database:
        # only for what it raises
        schema_access(database)
        yield Audit(PostgresDiscrepancyList(database), PostgresLedger(database), database)
