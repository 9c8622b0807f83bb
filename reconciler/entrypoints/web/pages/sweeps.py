"""The sweeps: when Reconciler looked, what it covered, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.web.ledger_and_sweeps import ListedSweep
from reconciler.engine.report import SweepKind
from reconciler.entrypoints.shown_text import moment_text
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.tables import (
    Cell,
    Column,
    Table,
    address,
    moment_column,
    number_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

ROWS: Final = 50


def sweeps(call: Call) -> View:
    """The page."""
    accounts = call.records.accounts()
    account = call.account(accounts)
    if account is None:
        return View("nothing_yet.html", "Sweeps")
    kind = call.choice("kind", SweepKind)
    name = None if kind is None else kind.value
    before = call.number("before")
    found = call.records.sweeps(account, before, name, ROWS + 1)
    shown = found[:ROWS]

    @contextmanager
    def all_rows() -> Iterator[Iterator[ListedSweep]]:
        yield _every_sweep(call, account, name)

    is_more = len(found) > ROWS
    values = {
        "account": account,
        "accounts": accounts,
        "kinds": list(SweepKind),
        "chosen": name,
        "next": address("/sweeps", account=account, kind=name, before=shown[-1].id)
        if is_more
        else None,
        "is_first": before is None,
        "first": address("/sweeps", account=account, kind=name),
    }
    table = Table(
        "sweeps",
        f"Sweeps of account {account}",
        _COLUMNS,
        shown,
        empty="There is no such sweep.",
        all_rows=all_rows,
    )
    return View("sweeps.html", "Sweeps", values, (table,))


def _every_sweep(call: Call, account: str, kind: str | None) -> Iterator[ListedSweep]:
    before: int | None = None
    while True:
        part = call.records.sweeps(account, before, kind, 500)
        yield from part
        if not part:
            return
        before = part[-1].id


def _state(one: ListedSweep) -> str:
    if one.finished_at is None:
        return "running, or ended without a report"
    return "complete" if one.complete else "not complete"


def _tone(one: ListedSweep) -> str | None:
    return None if one.complete else "severity-warning"


def _writes(one: ListedSweep) -> str:
    return "your rows" if one.applied else "findings only"


def _moment(one: ListedSweep, name: str) -> datetime | None:
    text = one.text(name)
    return None if text is None else datetime.fromisoformat(text)


def _range(one: ListedSweep) -> Cell:
    """The range of creation that it listed. Sweeps of what changed, or of single payments, have none."""
    begin, end = _moment(one, "created_from"), _moment(one, "created_until")
    if end is None:
        return Cell("")
    first = "the beginning" if begin is None else moment_text(begin)[:16]
    return Cell(f"{first} to {moment_text(end)[:16]}")


_COLUMNS: Final[tuple[Column[ListedSweep], ...]] = (
    number_column("Sweep", lambda one: one.id),
    text_column("Kind", lambda one: words(one.kind)),
    moment_column("Began", lambda one: one.started_at),
    Column(
        "Payments created",
        _range,
        {
            "created_from": lambda one: _moment(one, "created_from"),
            "created_until": lambda one: _moment(one, "created_until"),
        },
    ),
    text_column("State", _state, tone=_tone, note=lambda one: one.text("stopped")),
    text_column("May write", _writes),
    text_column("Asked by", lambda one: one.asked_by),
    number_column("Examined", lambda one: one.number("examined")),
    number_column("Corrected", lambda one: one.number("corrected")),
    number_column("Waiting", lambda one: one.number("waiting")),
    number_column("Not examined", lambda one: one.number("unexamined")),
    number_column("Reads", lambda one: one.number("reads")),
)
