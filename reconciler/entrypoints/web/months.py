"""The month of a statement, and the statement of a month."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from reconciler.adapters.postgres.audit.statement_records import RecordedStatement
from reconciler.domain.statement.period import Period, start_of
from reconciler.domain.statement.statement import Statement
from reconciler.engine.actions.close_period import Closing
from reconciler.entrypoints.web.call import Call, WrongAddressError, field_name
from reconciler.entrypoints.web.tables import address

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a month its money is looked at, as ``reconciler statement`` does."""
_MOST_DAYS: Final = 400
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


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """The period of an address, with the moment as of which its money is asked for, None if the address names none.

    ``chosen`` is its part of an address."""

    period: Period
    cutoff: datetime | None
    name: str
    month: Month | None
    chosen: Mapping[str, str]


def asked_period(call: Call) -> AskedPeriod:
    """The period that the address names, else the month before the present one. Raises WrongAddressError."""
    first, last = asked_day(call, "from"), asked_day(call, "to")
    if (first is None) != (last is None):
        raise WrongAddressError(
            'Only one of "From" and "To" is filled in.', "Fill in both, such as 2026-10-01."
        )
    zone = call.settings.statement.zone
    if first is not None and last is not None:
        if last < first or (last - first).days > _MOST_DAYS:
            raise WrongAddressError(
                '"To" is before "From", or the period is too long.',
                f"A period has at most {_MOST_DAYS + 1} days.",
            )
        period, month, name = Period(first, last, zone), None, f"{first} to {last}"
        chosen = {"from": first.isoformat(), "to": last.isoformat()}
    else:
        month = _asked_month(call)
        period, name, chosen = (
            Period(month.first, month.last, zone),
            month.name,
            {"month": month.code},
        )
    cutoff_day = asked_day(call, "cutoff")
    cutoff = None
    if cutoff_day is not None:
        cutoff = start_of(cutoff_day + timedelta(days=1), zone)
        chosen["cutoff"] = cutoff_day.isoformat()
    return AskedPeriod(period, cutoff, name, month, chosen)


def asked_day(call: Call, name: str) -> date | None:
    """A day of the address, None if it is empty. Raises WrongAddressError if it is none."""
    text = call.text(name)
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2200:
        raise WrongAddressError(
            f'{field_name(name)} is "{text[:40]}", which is not a day.',
            "Write it such as 2026-10-01.",
        )
    return found


def _asked_month(call: Call) -> Month:
    text = call.text("month")
    today = call.clock.now().astimezone(call.settings.statement.zone).date()
    if text is None:
        return month_of(today).before
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= 12 or not 2000 <= int(found[1]) <= 2200:
        raise WrongAddressError(f'"{text[:40]}" is not a month.', "Write it such as 2026-10.")
    return Month(int(found[1]), int(found[2]))


def usual_cutoff(closing: Closing) -> datetime:
    """That of the version, so that what is shown is what was prepared or signed."""
    version = closing.version
    return closing.period.end + CUTOFF_AFTER if version is None else version.cutoff


def month_statement(call: Call, account: str, month: Month) -> Statement:
    """The statement of a month, of what the ledger holds now, at most five days after the month's end."""
    period = Period(month.first, month.last, call.settings.statement.zone)
    return period_statement(call, account, period, period.end + CUTOFF_AFTER).statement


def period_statement(
    call: Call, account: str, period: Period, cutoff: datetime
) -> RecordedStatement:
    """The statement of a period as of a moment; as of now if that is in the future."""
    materiality = call.settings.review.materiality
    return call.records.recent_statement(account, period, cutoff, call.clock.now(), materiality)
