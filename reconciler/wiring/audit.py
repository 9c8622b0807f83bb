"""What auditors and operators read: the discrepancies and the ledger of all accounts."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.audit.statement_records import (
    RecordedStatement,
    corrections_of,
    examined_ranges,
    recorded_statement,
)
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.adapters.postgres.discrepancies.drawn_sample import DrawnSample, drawn_sample
from reconciler.adapters.postgres.schema.schema_state import ensure_schema
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.settings import Settings

COLLECT_AFTER: Final = 50_000
"""So many objects are made before Python looks for circles of garbage: a part of an export makes thousands."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Discrepancies and ledger, for reading."""

    discrepancies: PostgresDiscrepancyList
    ledger: PostgresLedger
    database: Database

    def statement(
        self,
        account: str,
        period: Period,
        cut: datetime,
        as_of: datetime | None = None,
        materiality: Mapping[str, int] | None = None,
    ) -> RecordedStatement:
        """The statement of a period: the money as it stood at ``cut``, from what the ledger held at ``as_of``.

        ``materiality`` is by currency, in minor units. Raises BrokenLedgerError if an entry cannot be read.
        """
        known = cut if as_of is None else as_of
        return recorded_statement(self.database, account, period, cut, known, materiality or {})

    def corrections(
        self, account: str, start: datetime, cut: datetime
    ) -> Iterator[RecordedCorrection]:
        """What was written to rows, and taken back, from ``start`` to ``cut``."""
        return corrections_of(self.database, account, start, cut)

    def examined(self, account: str) -> tuple[tuple[date, date], ...]:
        """The ranges of days that sweeps examined to the end."""
        return examined_ranges(self.database, account)

    def sample(self, account: str, period: Period, size: int, seed: int) -> DrawnSample:
        """An auditor's sample of what the ledger recorded in a period, as ``drawn_sample`` draws it."""
        return drawn_sample(self.database, account, period.start, period.end, size, seed)


@contextmanager
def open_audit(settings: Settings) -> Iterator[Audit]:
    """Discrepancies and ledger, for the length of the block. Needs no Stripe key and no table.

    Raises ConfigurationError if the schema does not exist, and NewerSchemaError if a newer version has migrated it.
    """
    # rows and entries hold no circles, and to look for some after every 700 objects takes a tenth of an export's CPU
    gc.set_threshold(COLLECT_AFTER)
    with Database(settings.database_url.get_secret_value()) as database:
        ensure_schema(database)
        yield Audit(PostgresDiscrepancyList(database), PostgresLedger(database), database)
