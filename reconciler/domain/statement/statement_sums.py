"""Adds up a statement while its records are read: days, findings, and what became of them after the cut-off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.statement.day_entry import DayEntry, NamedOnes, WindowSweep
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingHistory
from reconciler.domain.statement.statement_figures import (
    CurrencyStatement,
    Movement,
    OpeningItem,
    SubsequentEvent,
)

_OF_LOST_WEBHOOKS: Final = frozenset({Kind.MISSED_OUTCOME.value, Kind.MISSING_LOCALLY.value})
_RIGHT: Final = frozenset({"corrected", "closed"})


def _joined(one: NamedOnes, other: NamedOnes) -> NamedOnes:
    return one[0] + other[0], one[1] + other[1]


class StatementSums:
    """The sums of a statement, by currency. ``examined`` is for each day the last sweep that examined all of it."""

    def __init__(
        self,
        period: Period,
        cut: datetime,
        as_of: datetime,
        examined: Mapping[date, WindowSweep],
    ) -> None:
        self._period = period
        self._cut = cut
        self._as_of = as_of
        self.examined = examined
        self.sums: dict[str, CurrencyStatement] = {}

    def _of(self, currency: str) -> CurrencyStatement:
        found = self.sums.get(currency)
        if found is None:
            found = self.sums[currency] = CurrencyStatement(currency)
        return found

    def day_of(self, moment: datetime) -> date:
        """The day of the books on which a moment lies."""
        return moment.astimezone(self._period.zone).date()

    def is_of_statement(self, entry: DayEntry) -> bool:
        """Whether the last sweep of its day recorded it."""
        sweep = self.examined.get(entry.day)
        return sweep is not None and sweep.sweep == entry.sweep

    def add_day(self, entry: DayEntry) -> None:
        """Add the money of a day that is of the statement."""
        if entry.is_only_left_out:
            return
        sums = self._of(entry.currency)
        count, amount = entry.paid_here
        sums.local += amount
        sums.local_count += count
        sums.stripe += entry.received[1]
        sums.stripe_count += entry.received[0]
        sums.refunded += entry.refunded
        sums.disputed += entry.disputed
        sums.moved += entry.moved
        sums.waiting += entry.waiting
        sums.returned += entry.returned
        sums.waiting_payments = _joined(sums.waiting_payments, entry.waiting_payments)
        sums.returned_payments = _joined(sums.returned_payments, entry.returned_payments)
        for other, moved in (entry.moved_by_day or {}).items():
            # on a day of the statement the other side counts them too, so that they explain nothing
            if other not in self.examined:
                sums.moved_payments = _joined(sums.moved_payments, moved.payments)
        sums.unrelated += Movement(*entry.unrelated)
        sums.outside_mapping += Movement(*entry.outside_mapping)

    def add_later(self, found: Iterable[LaterMoney]) -> None:
        """Add what became of the money after the cut-off; it is in no sum."""
        for one in found:
            self._of(one.currency).later.append(one)

    def add_history(self, history: FindingHistory) -> None:
        """Add what the ledger holds of a finding."""
        self._roll_forward(history)
        created = {
            self.day_of(record.payment_created)
            for record in history.records
            if record.payment_created is not None
        }
        # a finding of a day is as the day's own sweep knew it, so that both are of one moment
        for day in created & self.examined.keys():
            for item in history.at_entry(self.examined[day].seq):
                if self.day_of(item.payment_created) == day:
                    self._of(item.currency).items.append(item)
        if any(self._period.first <= day <= self._period.last for day in created):
            self._add_subsequent(history)
            self._add_lost_webhook(history)

    def _roll_forward(self, history: FindingHistory) -> None:
        """Opening plus new less cleared is closing, over all items of the account.

        An item whose amount changed was cleared with the old amount and is new with the other.
        """
        start, end = self._period.start, self._cut
        opening = {item.currency: item for item in history.at_time(start)}
        closing = {item.currency: item for item in history.at_time(end)}
        for currency, item in opening.items():
            last = closing.get(currency)
            is_carried = last is not None and last.amount == item.amount
            sums = self._of(currency)
            sums.opening += Movement(1, item.amount)
            # the same object, because there may be many
            sums.opening_items.append(
                OpeningItem(last if is_carried and last else item, is_carried)
            )
        for item in closing.values():
            self._of(item.currency).closing += Movement(1, item.amount)
            self._of(item.currency).open_items.append(item)
        for currency in opening.keys() | closing.keys():
            before, after = opening.get(currency), closing.get(currency)
            if before is not None and after is not None and before.amount == after.amount:
                continue
            if before is not None:
                self._of(currency).cleared += Movement(1, before.amount)
            if after is not None:
                self._of(currency).new += Movement(1, after.amount)
        for item in history.between(start, end):
            self._of(item.currency).new += Movement(1, item.amount)
            self._of(item.currency).cleared += Movement(1, item.amount)

    def _add_subsequent(self, history: FindingHistory) -> None:
        later = [record for record in history.records if self._cut < record.at <= self._as_of]
        if not later:
            return
        before = {item.currency: item for item in history.at_time(self._cut)}
        after = {item.currency: item for item in history.at_time(self._as_of)}
        for currency in before.keys() | after.keys():
            old, new = before.get(currency), after.get(currency)
            same = old is not None and new is not None and old.amount == new.amount
            if not same or (old is not None and new is not None and old.state != new.state):
                event = SubsequentEvent(old, new, later[-1].at, later[-1].state)
                self._of(currency).subsequent.append(event)

    def _add_lost_webhook(self, history: FindingHistory) -> None:
        known = [record for record in history.records if record.at <= self._cut]
        differing = [record for record in known if record.difference]
        if not differing or differing[0].kind not in _OF_LOST_WEBHOOKS:
            return
        first, last = differing[0], known[-1]
        began = first.paid_at or first.payment_created
        for currency, amount in first.difference.items():
            sums = self._of(currency).lost_webhooks
            sums.lost += Movement(1, abs(amount))
            if last.state not in _RIGHT:
                sums.not_right += Movement(1, abs(amount))
            elif began is not None:
                took = last.at - began
                sums.slowest = took if sums.slowest is None else max(sums.slowest, took)
