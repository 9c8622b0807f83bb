"""What a statement is made of, read from the ledger as it was at a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingRecord, ReconcilingItems
from reconciler.domain.statement.statement import DayEntry, WindowSweep
from reconciler.errors import BrokenLedgerError

_SQL: Final = STATEMENTS["audit"]


@dataclass(frozen=True, slots=True)
class StatementRecords:
    """What the ledger of an account held at a moment. ``head`` is its last entry by then, None if it had none."""

    sweeps: tuple[WindowSweep, ...]
    days: tuple[DayEntry, ...]
    items: ReconcilingItems
    head: tuple[int, str] | None


def statement_records(
    database: Database, account: str, period: Period, cut: datetime
) -> StatementRecords:
    """Read what the ledger held at ``cut`` about a period.

    Raises BrokenLedgerError if an entry holds what no program wrote.
    """
    parameters = {
        "account": account,
        "cut": cut,
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
    }
    with database.counting("reading the statement") as connection, _readable(account):
        head = connection.execute(_SQL["ledger_head_at"], parameters).fetchone()
        return StatementRecords(
            sweeps=tuple(_sweeps(connection, parameters)),
            days=tuple(_days(connection, parameters)),
            items=ReconcilingItems(_findings(connection, parameters)),
            head=None if head is None else (head[0], head[1]),
        )


@contextmanager
def _readable(account: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenLedgerError(
            f"The ledger of account {account} holds an entry that no version of Reconciler wrote ({error}).",
            "See what is wrong with: reconciler verify",
        ) from None


def _sweeps(connection: Connection, parameters: Mapping[str, object]) -> Iterator[WindowSweep]:
    for seq, at, sweep, first, last, timezone in connection.execute(
        _SQL["statement_sweeps"], parameters
    ):
        yield WindowSweep(
            seq, at, int(sweep), date.fromisoformat(first), date.fromisoformat(last), str(timezone)
        )


def _days(connection: Connection, parameters: Mapping[str, object]) -> Iterator[DayEntry]:
    for (body,) in connection.execute(_SQL["statement_days"], parameters):
        # the first versions had no sum of their own of the table
        if "received" in body:
            yield DayEntry(
                sweep=int(body["sweep"]),
                day=date.fromisoformat(body["day"]),
                currency=str(body["currency"]),
                local={outcome: _count(value) for outcome, value in body["local"].items()},
                received=_count(body["received"]),
                refunded=int(body["refunded"]),
                disputed=int(body["disputed"]),
                moved=int(body["moved"]),
                waiting=int(body["waiting"]),
                returned=int(body["returned"]),
                unrelated=_count(body["unrelated"]),
                outside_mapping=_count(body["outside_mapping"]),
            )


def _findings(connection: Connection, parameters: Mapping[str, object]) -> Iterator[FindingRecord]:
    rows = connection.execute(_SQL["statement_findings"], parameters)
    for seq, at, subject, kind, state, difference, created, severity, reason in rows:
        amounts = {currency: int(amount) for currency, amount in (difference or {}).items()}
        yield FindingRecord(seq, at, subject, kind, state, amounts, created, severity, reason)


def _count(value: Mapping[str, Any]) -> tuple[int, int]:
    return int(value["count"]), int(value["amount"])
