"""The figures for the status command and the metrics, from Reconciler's tables and from the merchant's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["coordination"]


class PostgresStatus:
    """One account's figures as plain rows. Every method is one statement. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def lease(self) -> TupleRow:
        """holder, seconds left, whether a service, its mode, since, error, error_at, needs_person."""
        return self._rows("status_lease")[0]

    def pause(self) -> TupleRow | None:
        """since, until, asked_by and claimed_by of the account's pause; None if it is not paused."""
        rows = self._rows("pause_of_account")
        return rows[0] if rows else None

    def sweeps(self) -> list[TupleRow]:
        """For each kind of sweep: id, end, age in seconds and asker of the last complete one; id, end, complete and
        stopped of the last that ended, with its count of other ids and an example."""
        return self._rows("status_sweeps")

    def discrepancies(self) -> list[TupleRow]:
        """Open ones: severity, kind, held back, currency, count, stake, and the stake that
        counts each payment once."""
        return self._rows("status_discrepancies")

    def refusals(self) -> list[TupleRow]:
        """Open corrections that the merchant's table refuses: reason, constraint, message, count; the most first."""
        return self._rows("status_refusals")

    def reads(self) -> int:
        """Reads of the last 30 days."""
        return int(self._rows("status_reads", days=30)[0][0])

    def requests(self) -> int:
        """Requests that wait or are being worked on."""
        return int(self._rows("status_requests")[0][0])

    def lag(self, cursor: str) -> float | None:
        """Seconds that a cursor is behind the present; None if there is no such cursor."""
        rows = self._rows("status_lag", cursor=cursor)
        return float(rows[0][0]) if rows else None

    def rate_usage(self) -> TupleRow:
        """How fast the service reads Stripe, and when it recorded that; both None if it never did."""
        rows = self._rows("status_rate_usage")
        return rows[0] if rows else (None, None)

    def outbox(self) -> TupleRow:
        """Undelivered outbox rows: how many, how many given up, the age of the oldest in seconds, the last error."""
        return self._rows("status_outbox")[0]

    def open_payments(self, table: MerchantTable) -> tuple[Mapping[str, int], int]:
        """How many rows with a PaymentIntent have each open outcome, and how many open rows hold none."""
        parameters = {"account": self._account, "open": table.open_statuses}
        with self._database.counting("counting open payments") as connection:
            rows = connection.execute(table.open_by_status, parameters).fetchall()

        # several local statuses may mean one outcome
        counts: Counter[str] = Counter()
        without_intent = 0
        for status, holding, count in rows:
            without_intent += count - holding
            if holding:
                counts[table.mapping.statuses.outcome(status).value] += holding
        return dict(sorted(counts.items())), without_intent

    def _rows(self, name: str, **values: object) -> list[TupleRow]:
        parameters = {"account": self._account, **values}
        with self._database.connection("reading the status") as connection:
            return connection.execute(_SQL[name], parameters).fetchall()
