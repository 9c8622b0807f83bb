"""The month of a statement, and the statement of a month."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement import Statement
from reconciler.entrypoints.web.call import Call, WrongAddressError
from reconciler.entrypoints.web.tables import address

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a month its money is looked at, as ``reconciler statement`` does."""
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month."""

    year: int
    number: int

    @property
    def code(self) -> str:
        """As in an address: 2026-10."""
        return f"{self.year:04}-{self.number:02}"

    @property
    def name(self) -> str:
        """As a person says it: October 2026."""
        return f"{calendar.month_name[self.number]} {self.year}"

    @property
    def address(self) -> str:
        """The page of its statement."""
        return address("/statement", month=self.code)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return date(self.year, self.number, calendar.monthrange(self.year, self.number)[1])

    @property
    def before(self) -> Month:
        """The month before."""
        return month_of(self.first - timedelta(days=1))

    @property
    def after(self) -> Month:
        """The month after."""
        return month_of(self.last + timedelta(days=1))


def month_of(day: date) -> Month:
    """The month of a day."""
    return Month(day.year, day.month)


def asked_month(call: Call) -> Month:
    """The month that the address names, else the one before the present one. Raises WrongAddressError."""
    text = call.text("month")
    today = call.clock.now().astimezone(call.settings.statement.zone).date()
    if text is None:
        return month_of(today).before
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or not 2000 <= int(found[1]) <= 2200:
        raise WrongAddressError(f'"{text[:40]}" is no month.', "Write it such as 2026-10.")
    return Month(int(found[1]), int(found[2]))


def month_statement(call: Call, account: str, month: Month) -> Statement:
    """The statement of a month, of what the ledger holds now, at most five days after the month's end."""
    period = Period(month.first, month.last, call.settings.statement.zone)
    cut = min(call.clock.now(), period.end + CUTOFF_AFTER)
    return call.records.recent_statement(account, period, cut)
