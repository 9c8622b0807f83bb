"""The steps of closing a period, in one account's ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.adapters.postgres.audit.ledger import PostgresLedger, append
from reconciler.adapters.postgres.audit.statement_records import (
    readable_entries,
    recorded_statement,
)
from reconciler.adapters.postgres.database import Database, begin
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.hash_chain import ChainBreak, first_break
from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.statement.close_state import Step, read_step
from reconciler.domain.statement.closed_period import ClosedPeriod
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.period_figures import LateFact, late_change
from reconciler.domain.statement.statement import Statement

_SQL: Final = STATEMENTS["audit"]
_FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


class PostgresPeriodLedger:
    """See ``engine.actions.close_period.PeriodLedger``. Raises BrokenLedgerError for an entry that no program wrote."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self.account = account

    def steps(self, period: Period) -> tuple[Step, ...]:
        """See ``PeriodLedger``."""
        with (
            self._database.connection(
                "reading the steps by which a period was closed"
            ) as connection,
            readable_entries(self.account),
        ):
            rows = connection.execute(_SQL["period_steps"], self._of(period)).fetchall()
            return tuple(read_step(*row) for row in rows)

    def closed_periods(self) -> tuple[ClosedPeriod, ...]:
        """See ``PeriodLedger``."""
        steps: dict[tuple[str, str, str], list[Step]] = {}
        with (
            self._database.connection("reading which periods were closed") as connection,
            readable_entries(self.account),
        ):
            for first, last, zone, *step in connection.execute(
                _SQL["closed_periods"], {"account": self.account}
            ):
                steps.setdefault((first, last, zone), []).append(read_step(*step))
            return tuple(
                ClosedPeriod(
                    Period(date.fromisoformat(first), date.fromisoformat(last), ZoneInfo(zone)),
                    tuple(found),
                )
                for (first, last, zone), found in steps.items()
            )

    def statement(self, period: Period, cutoff: datetime) -> Statement:
        """See ``PeriodLedger``."""
        made = recorded_statement(self._database, self.account, period, cutoff, _FOR_EVER, {})
        return made.statement

    def late_facts(self, period: Period, cutoff: datetime) -> tuple[LateFact, ...]:
        """See ``PeriodLedger``."""
        parameters = {
            **self._of(period),
            "cut": cutoff,
            "start": period.start,
            "end": period.end,
        }
        with (
            self._database.counting("reading what was found after the cut-off") as connection,
            readable_entries(self.account),
        ):
            rows = connection.execute(_SQL["period_late_findings"], parameters).fetchall()
            facts = [_late_fact(*row) for row in rows]
        return tuple(fact for fact in facts if fact.change)

    def head(self) -> tuple[int, str] | None:
        """See ``PeriodLedger``."""
        with self._database.connection("reading the ledger's head") as connection:
            row = connection.execute(_SQL["ledger_head"], {"account": self.account}).fetchone()
        return None if row is None else (row[0], row[1])

    def first_break(self) -> ChainBreak | None:
        """See ``PeriodLedger``."""
        with PostgresLedger(self._database).chain(self.account) as chain:
            return first_break(chain.entries, chain.head, self.account)

    def add_step(self, period: Period, after: int | None, draft: Draft) -> bool:
        """See ``PeriodLedger``. The ledger's head is locked from the append on, so that of two people one is refused."""
        with self._database.transaction("storing a step that closes a period") as connection:
            begin(connection)
            append(connection, self.account, None, [draft])
            rows = connection.execute(_SQL["period_steps"], self._of(period)).fetchall()
            before = rows[-2][0] if len(rows) > 1 else None
            if before == after:
                return True
            connection.rollback()
            return False

    def _of(self, period: Period) -> dict[str, object]:
        return {
            "account": self.account,
            "first": period.first.isoformat(),
            "last": period.last.isoformat(),
            "timezone": str(period.zone),
        }


def _late_fact(
    seq: int,
    at: datetime,
    subject: str,
    kind: str,
    difference: dict[str, int],
    dated: datetime,
    state_before: str | None,
    difference_before: dict[str, int] | None,
) -> LateFact:
    change = late_change(difference, state_before, difference_before or {})
    return LateFact(seq, at, subject, kind, dated, change)
