"""One part of an account's ledger, and of its sweeps, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["web"]


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry of the ledger as a list shows it."""

    seq: int
    at: datetime
    action: str
    body: Mapping[str, object]
    hash: str
    prev: str
    """The hash of the entry before."""
    role: str | None


@dataclass(frozen=True, slots=True)
class ListedSweep:
    """A sweep as a list shows it. ``report`` is empty while it runs, or if it is very large."""

    id: int
    kind: str
    mode: str
    applied: bool
    asked_by: str
    started_at: datetime
    finished_at: datetime | None
    complete: bool | None
    report: Mapping[str, object]

    def number(self, name: str) -> int | None:
        """A number of the report, None if it is not there."""
        value = self.report.get(name)
        return value if isinstance(value, int) else None

    def text(self, name: str) -> str | None:
        """A text of the report, None if it is not there."""
        value = self.report.get(name)
        return value if isinstance(value, str) else None


def account_names(database: Database) -> tuple[str, ...]:
    """Every account that has recorded something."""
    with database.connection("reading the accounts") as connection:
        rows = connection.execute(_SQL["web_accounts"]).fetchall()
    return tuple(row[0] for row in rows)


def ledger_part(
    database: Database, account: str, before: int | None, actions: tuple[str, ...], limit: int
) -> tuple[ListedEntry, ...]:
    """At most ``limit`` entries before the number ``before``; no ``actions`` means all of them."""
    parameters = {
        "account": account,
        "before": before,
        "actions": list(actions) or None,
        "limit": limit,
    }
    with database.connection("reading the ledger") as connection:
        rows = connection.execute(_SQL["web_ledger"], parameters, prepare=False).fetchall()
    return tuple(ListedEntry(*row) for row in rows)


def sweeps_part(
    database: Database, account: str, before: int | None, kind: str | None, limit: int
) -> tuple[ListedSweep, ...]:
    """At most ``limit`` sweeps before the number ``before``, of one kind or of all."""
    parameters = {"account": account, "before": before, "kind": kind, "limit": limit}
    with database.connection("reading the sweeps") as connection:
        rows = connection.execute(_SQL["web_sweeps"], parameters, prepare=False).fetchall()
    return tuple(
        ListedSweep(number, name, mode, applied, by, started, finished, complete, report or {})
        for number, name, mode, applied, by, started, finished, complete, report in rows
    )
