"""The statement of a period: local less Stripe is the difference, findings explain it, and the rest is unexplained.

It is made of the ledger alone, so that it can be made again as of any past moment. The payments of a day are those whose
intents Stripe created on it. Each day stands as the last sweep saw it that examined all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from reconciler.domain.statement.day_entry import DayEntry, WindowSweep
from reconciler.domain.statement.later_money import later_money
from reconciler.domain.statement.later_records import NOTHING_LATER, LaterRecords
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingHistory, ReconcilingItem
from reconciler.domain.statement.statement_figures import AGES, CurrencyStatement, Movement, age_of
from reconciler.domain.statement.statement_sums import StatementSums


class PartOfOpen(StrEnum):
    """When the payment of an open item was created."""

    OF_PERIOD = "of_period"
    CARRIED_IN = "carried_in"
    """Before the period."""
    LATER = "later"
    """After the period, and before the cut-off."""


@dataclass(frozen=True, slots=True)
class AgedItems:
    """The open items of an age and an owner. ``owner`` is None if they have none."""

    age: str
    owner: str | None
    items: Movement


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of one account and period. ``cut`` is the moment as of which the money stands.

    ``as_of`` is until when the ledger was read: what came after ``cut`` is in ``subsequent`` alone.
    ``days_not_examined`` are the days that no sweep examined to the end by ``cut``: their money is in no sum.
    """

    account: str
    period: Period
    cut: datetime
    as_of: datetime
    currencies: tuple[CurrencyStatement, ...]
    days_not_examined: tuple[date, ...]
    sweeps: tuple[WindowSweep, ...]
    """The sweeps that the days of the statement come from."""
    days: tuple[DayEntry, ...]
    """What those sweeps recorded of each day and currency, in order."""
    days_examined_later: tuple[date, ...]
    """The days that a sweep has examined again after ``cut``: what became of the money of the others may be unknown."""
    owners: Mapping[tuple[str, str], str]
    """Whose a finding is, by its subject and kind."""

    @property
    def is_complete(self) -> bool:
        """Whether every day of the period was examined."""
        return not self.days_not_examined

    @property
    def has_examined_day(self) -> bool:
        """Whether a day of the period was examined; else its figures are 0 because nothing is known."""
        return len(self.days_not_examined) < len(self.period.days)

    def owner_of(self, item: ReconcilingItem) -> str | None:
        """Whose an item is; None if it has none."""
        return self.owners.get((item.subject, item.kind))

    def part_of(self, item: ReconcilingItem) -> PartOfOpen:
        """When the payment of an open item was created."""
        if item.payment_created < self.period.start:
            return PartOfOpen.CARRIED_IN
        return PartOfOpen.OF_PERIOD if item.payment_created < self.period.end else PartOfOpen.LATER

    def aged(self, currency: CurrencyStatement) -> tuple[AgedItems, ...]:
        """The open items of a currency by age and owner, the youngest first. Together they are ``closing``."""
        found: dict[tuple[str, str | None], Movement] = {}
        for item in currency.open_items:
            key = age_of(item.since, self.cut), self.owner_of(item)
            found[key] = found.get(key, Movement()) + Movement(1, item.amount)
        ordered = sorted(found, key=lambda key: (AGES.index(key[0]), key[1] is None, key[1] or ""))
        return tuple(AgedItems(age, owner, found[age, owner]) for age, owner in ordered)


def statement_of(
    account: str,
    period: Period,
    cut: datetime,
    sweeps: Iterable[WindowSweep],
    entries: Iterable[DayEntry],
    findings: Iterable[FindingHistory],
    *,
    as_of: datetime | None = None,
    later: LaterRecords = NOTHING_LATER,
    owners: Mapping[tuple[str, str], str] | None = None,
    materiality: Mapping[str, int] | None = None,
) -> Statement:
    """Make the statement. ``sweeps`` and ``entries`` are what the ledger held at ``cut``, ``findings`` at ``as_of``.
    ``later`` is what it held from the one to the other. The findings are taken one after the other, so they may be many. ``materiality`` is by currency, in minor units.
    """
    made = StatementSums(period, cut, as_of or cut, _last_sweeps(period, sweeps))
    days = [entry for entry in entries if made.is_of_statement(entry)]
    for entry in days:
        made.add_day(entry)
    for history in findings:
        made.add_history(history)
    made.add_later(later_money(days, made.examined, later, made.day_of))
    for currency, found in made.sums.items():
        found.materiality = (materiality or {}).get(currency, 0)
        for items in (found.items, found.open_items):
            items.sort(key=_by_amount)
        found.opening_items.sort(key=lambda one: _by_amount(one.item))
        found.subsequent.sort(key=lambda event: (event.at, *event.name))
    return Statement(
        account=account,
        period=period,
        cut=cut,
        as_of=as_of or cut,
        currencies=tuple(made.sums[currency] for currency in sorted(made.sums)),
        days_not_examined=tuple(day for day in period.days if day not in made.examined),
        sweeps=tuple(sorted(set(made.examined.values()), key=lambda sweep: sweep.seq)),
        days=tuple(sorted(days, key=lambda entry: (entry.day, entry.currency))),
        days_examined_later=tuple(
            day
            for day in period.days
            if any(sweep.first <= day <= sweep.last for sweep in later.sweeps)
        ),
        owners=owners or {},
    )


def _by_amount(item: ReconcilingItem) -> tuple[int, str, str]:
    return -abs(item.amount), item.subject, item.kind


def _last_sweeps(period: Period, sweeps: Iterable[WindowSweep]) -> dict[date, WindowSweep]:
    """For each day the last sweep that examined all of it."""
    found: dict[date, WindowSweep] = {}
    days = period.days
    for sweep in sorted(sweeps, key=lambda one: one.seq):
        found.update({day: sweep for day in days if sweep.first <= day <= sweep.last})
    return found
