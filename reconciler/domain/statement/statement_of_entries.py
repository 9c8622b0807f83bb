"""Makes a statement from entries of the ledger alone, for a check that has no database.

The database finds the same records by its own queries; ``verify --file`` compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import Action, Entry
from reconciler.domain.statement.close_state import Step, read_step
from reconciler.domain.statement.day_entry import DayEntry, WindowSweep
from reconciler.domain.statement.later_records import (
    MONEY_BACK_KINDS,
    LaterRecords,
    MoneyBackFinding,
    read_money_back,
)
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import DIFFERS_STILL, FindingRecord, histories
from reconciler.domain.statement.recorded_day import read_day
from reconciler.domain.statement.statement import Statement, statement_of

_FACTS: Final = ("reads", "examined", "rows_of_no_account", "asked_by")
_NO_DIFFERENCE: Final[Mapping[str, int]] = {}
"""That of every record without one, in memory once."""
_STEPS: Final = frozenset({Action.PERIOD_PREPARED, Action.PERIOD_SIGNED, Action.PERIOD_REOPENED})


class EntriesOfStatement:
    """Takes the entries of one account in their order, and makes the statement of a period with this cut-off."""

    def __init__(self, account: str, period: Period, cut: datetime) -> None:
        self._account = account
        self._period = period
        self._cut = cut
        self._sweeps: list[WindowSweep] = []
        self._days: list[DayEntry] = []
        self._last_days: dict[tuple[date, str], DayEntry] = {}
        self._findings: dict[tuple[str, str], tuple[FindingRecord, ...]] = {}
        self._later_sweeps: list[WindowSweep] = []
        self._later_days: list[DayEntry] = []
        self._money_back: list[MoneyBackFinding] = []
        self._owners: dict[tuple[str, str], str] = {}
        self._last_at = cut
        self.steps: list[Step] = []
        """The steps of closing the period."""

    def add(self, entry: Entry) -> None:
        """Take an entry. Raises KeyError, TypeError, ValueError or AttributeError for one that no program wrote."""
        self._last_at = max(self._last_at, entry.at)
        body: Mapping[str, Any] = entry.body
        match entry.action:
            case Action.FINDING_OPENED | Action.FINDING_CHANGED:
                self._add_finding(entry.seq, entry.at, body)
                if entry.at > self._cut and body["kind"] in MONEY_BACK_KINDS:
                    self._money_back += read_money_back(entry.seq, entry.at, entry.action, body)
            case Action.DAY_TOTALS:
                is_of_period = (
                    self._period.first <= date.fromisoformat(body["day"]) <= self._period.last
                )
                day = read_day(body) if is_of_period else None
                if day is not None:
                    days = self._days if entry.at <= self._cut else self._later_days
                    days.append(self._sharing(day))
            case Action.SWEEP if "days" in body:
                if body["timezone"] == str(self._period.zone):
                    self._add_sweep(_sweep(entry.seq, entry.at, body))
            case Action.ASSIGNMENT:
                self._owners[body["subject"], body["kind"]] = body["owner"]
            case action if action in _STEPS and self._is_of_period(body):
                self.steps.append(read_step(entry.seq, entry.at, action, body))
            case _:
                pass

    def _add_finding(self, seq: int, at: datetime, body: Mapping[str, Any]) -> None:
        """Keep the record, unless the statement is not about its finding: a year has many, and they are in memory."""
        name = _shared(body["subject"]), _shared(body["kind"])
        earlier = self._findings.get(name, ())
        record = _finding(seq, at, body, earlier[-1] if earlier else None)
        records = (*earlier, record)
        created = [one.payment_created for one in records if one.payment_created is not None]
        is_of_period = any(self._period.start <= one < self._period.end for one in created)
        if (
            record.at <= self._period.start
            and record.state not in DIFFERS_STILL
            and not is_of_period
        ):
            # it was over when the period began, so what follows begins anew
            self._findings.pop(name, None)
        else:
            self._findings[name] = records

    def _sharing(self, day: DayEntry) -> DayEntry:
        """The same entry. Its money is in memory once if the entry before of the day has it too: most sweeps find nothing new."""
        name = day.day, day.currency
        known = self._last_days.get(name)
        if known is not None and (again := replace(known, sweep=day.sweep)) == day:
            return again
        self._last_days[name] = day
        return day

    def _add_sweep(self, sweep: WindowSweep) -> None:
        if sweep.first <= self._period.last and sweep.last >= self._period.first:
            (self._sweeps if sweep.at <= self._cut else self._later_sweeps).append(sweep)

    def _is_of_period(self, body: Mapping[str, Any]) -> bool:
        days = {"first": self._period.first.isoformat(), "last": self._period.last.isoformat()}
        return bool(body["period"] == days and body["timezone"] == str(self._period.zone))

    def statement(self, materiality: Mapping[str, int]) -> Statement:
        """The statement, which can be made once. ``materiality`` is by currency, in minor units."""
        # a finding is forgotten when it is added up, because the items of the statement need the memory
        names = sorted(self._findings)
        findings = (record for name in names for record in self._findings.pop(name))
        return statement_of(
            self._account,
            self._period,
            self._cut,
            self._sweeps,
            self._days,
            histories(findings),
            as_of=self._last_at,
            later=LaterRecords(self._later_sweeps, self._later_days, self._money_back),
            owners={name: owner for name, owner in self._owners.items() if owner},
            materiality=materiality,
        )


def _finding(
    seq: int, at: datetime, body: Mapping[str, Any], last: FindingRecord | None
) -> FindingRecord:
    """The record of an entry. What it has in common with the last record of its finding is in memory once."""
    charge = (body.get("evidence") or {}).get("charge") or {}
    difference: Mapping[str, int] = {
        sys.intern(name): int(amount) for name, amount in (body.get("difference") or {}).items()
    }
    if last is not None and last.difference == difference:
        difference = last.difference
    return FindingRecord(
        seq,
        at,
        _shared(body["subject"]),
        _shared(body["kind"]),
        _shared(body["state"]),
        difference or _NO_DIFFERENCE,
        _moment(body.get("payment_created"), None if last is None else last.payment_created),
        _shared(body.get("severity")),
        _shared(body.get("reason")),
        _moment(charge.get("created"), None if last is None else last.paid_at),
    )


def _shared(text: Any) -> Any:
    """The same text, in memory once: tens of thousands of records have the same few words."""
    return sys.intern(text) if isinstance(text, str) else text


def _moment(text: str | None, known: datetime | None) -> datetime | None:
    """The moment of a text; ``known`` itself, if this is the same moment with the same offset."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    # a statement shows the offset too
    is_known = known is not None and known == found and known.tzinfo is found.tzinfo
    return known if is_known else found


def _sweep(seq: int, at: datetime, body: Mapping[str, Any]) -> WindowSweep:
    days = [date.fromisoformat(body["days"][name]) for name in ("first", "last")]
    facts = {name: body.get(name) for name in _FACTS}
    return WindowSweep(
        seq, at, int(body["sweep"]), days[0], days[1], str(body["timezone"]),
        {**facts, **body.get("certificate", {})},
    )  # fmt: skip
