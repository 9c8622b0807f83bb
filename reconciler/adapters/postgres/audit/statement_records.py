"""What a statement is made of, read from the ledger as it was at a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import msgspec
from psycopg import capabilities

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.statement.day_entry import DayEntry, WindowSweep
from reconciler.domain.statement.later_records import (
    MONEY_BACK_KINDS,
    NOTHING_LATER,
    LaterRecords,
    read_money_back,
)
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import DIFFERS_STILL, FindingRecord, histories
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.domain.statement.recorded_day import read_day
from reconciler.domain.statement.statement import Statement, statement_of
from reconciler.errors import BrokenLedgerError

_SQL: Final = STATEMENTS["audit"]
# an older libpq gives row by row
_ROWS_AT_ONCE: Final = 500 if capabilities.has_stream_chunked() else 1


@dataclass(frozen=True, slots=True)
class RecordedStatement:
    """A statement, and the last entry of the ledger that it is made of: its number and its hash, None if there is none."""

    statement: Statement
    head: tuple[int, str] | None
    first: int | None = None
    """The number of the first entry about a finding that it is made of; None if there is none."""


class _FirstEntry:
    """Keeps the smallest number of the entries that are read."""

    def __init__(self) -> None:
        self.seq: int | None = None

    def seen(self, records: Iterator[FindingRecord]) -> Iterator[FindingRecord]:
        for record in records:
            if self.seq is None or record.seq < self.seq:
                self.seq = record.seq
            yield record


def recorded_statement(
    database: Database,
    account: str,
    period: Period,
    cut: datetime,
    as_of: datetime,
    materiality: Mapping[str, int],
) -> RecordedStatement:
    """Make the statement of a period from what the ledger held at ``as_of``; the money is as it stood at ``cut``.

    Raises BrokenLedgerError if an entry holds what no program wrote.
    """
    parameters = {
        "account": account,
        "cut": cut,
        "as_of": as_of,
        "zone": str(period.zone),
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "days": [day.isoformat() for day in period.days],
        "start": period.start,
        # entries hold times as text, which compares as the times do
        "start_text": rfc3339(period.start),
        "end_text": rfc3339(period.end),
        "differing": sorted(DIFFERS_STILL),
        "money_back_kinds": sorted(MONEY_BACK_KINDS),
    }
    with database.counting("reading the statement") as connection, readable_entries(account):
        head = connection.execute(_SQL["ledger_head_at"], parameters).fetchone()
        owners = connection.execute(_SQL["statement_owners"], parameters)
        sweeps = tuple(_sweeps(connection, parameters))
        numbers = {
            "sweeps": [str(sweep.sweep) for sweep in sweeps],
            "last_sweep": max((sweep.seq for sweep in sweeps), default=0),
        }
        first = _FirstEntry()
        made = statement_of(
            account,
            period,
            cut,
            sweeps,
            _days(connection, {**parameters, **numbers}),
            histories(first.seen(_findings(connection, parameters))),
            as_of=as_of,
            later=_later(connection, {**parameters, **numbers}) if as_of > cut else NOTHING_LATER,
            owners={(subject, kind): owner for subject, kind, owner in owners if owner},
            materiality=materiality,
        )
        last = None if head is None else (head[0], head[1])
        return RecordedStatement(made, last, first.seq)


def corrections_of(
    database: Database, account: str, start: datetime, cut: datetime
) -> Iterator[RecordedCorrection]:
    """What was written to rows of an account, and taken back, from ``start`` to ``cut``, in the ledger's order."""
    parameters = {"account": account, "start": start, "cut": cut}
    with database.counting("reading the corrections") as connection, readable_entries(account):
        for row in connection.cursor().stream(_SQL["statement_corrections"], parameters):
            yield RecordedCorrection(*row)


def examined_ranges(database: Database, account: str) -> tuple[tuple[date, date], ...]:
    """The ranges of days, from the first to the last, that sweeps of an account examined to the end."""
    with (
        database.connection("reading which days were examined") as connection,
        readable_entries(account),
    ):
        rows = connection.execute(_SQL["examined_ranges"], {"account": account}).fetchall()
        return tuple((date.fromisoformat(first), date.fromisoformat(last)) for first, last in rows)


@contextmanager
def readable_entries(account: str) -> Iterator[None]:
    """Raise BrokenLedgerError for what a block finds in an entry that no program wrote."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenLedgerError(
            f"The ledger of account {account} holds an entry that no version of Reconciler wrote ({error}).",
            "To see what is wrong, run: reconciler verify",
        ) from None


def _sweeps(connection: Connection, parameters: Mapping[str, object]) -> Iterator[WindowSweep]:
    rows = connection.execute(_SQL["statement_sweeps"], parameters)
    for seq, at, sweep, first, last, timezone, certificate, facts in rows:
        days = date.fromisoformat(first), date.fromisoformat(last)
        yield WindowSweep(seq, at, int(sweep), *days, str(timezone), {**facts, **certificate})


def _days(connection: Connection, parameters: Mapping[str, object]) -> Iterator[DayEntry]:
    for (body,) in connection.execute(_SQL["statement_days"], parameters):
        day = read_day(body)
        if day is not None:
            yield day


def _later(connection: Connection, parameters: Mapping[str, object]) -> LaterRecords:
    """What became of the money of the period after the cut-off."""
    sweeps = [
        WindowSweep(seq, at, int(sweep), date.fromisoformat(first), date.fromisoformat(last), zone)
        for seq, at, sweep, first, last, zone in connection.execute(
            _SQL["statement_later_sweeps"], parameters
        )
    ]
    days = connection.execute(_SQL["statement_later_days"], parameters)
    findings = connection.execute(_SQL["statement_money_back"], parameters)
    return LaterRecords(
        sweeps,
        [day for (body,) in days if (day := read_day(body)) is not None],
        [one for row in findings for one in read_money_back(*row)],
    )


def _findings(connection: Connection, parameters: Mapping[str, object]) -> Iterator[FindingRecord]:
    # a year may have many, so they are read one by one; for a cursor on the server PostgreSQL would use a single core
    with connection.cursor() as cursor:
        rows = cursor.stream(_SQL["statement_findings"], parameters, size=_ROWS_AT_ONCE)
        for seq, at, subject, kind, state, difference, created, severity, reason, paid_at in rows:
            amounts = {} if difference is None else _amounts(difference)
            yield FindingRecord(
                seq, at, subject, kind, state, amounts, created, severity, reason, paid_at
            )


def _amounts(text: str) -> Mapping[str, int]:
    """The amounts of a difference as the ledger holds it: by currency, in minor units."""
    found = msgspec.json.decode(text)
    return {currency: int(amount) for currency, amount in (found or {}).items()}
