"""Reads the period that a command is about: a month, or the first and the last day."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, timedelta
from typing import Annotated, Final

import typer

from reconciler.entrypoints.cli.arguments import parse_moment
from reconciler.errors import UsageError

PeriodArgument = Annotated[
    str | None, typer.Argument(metavar="[MONTH]", help="The month, such as 2026-10.")
]
FirstDayOption = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="The first day, in place of a month.")
]
LastDayOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="The last day, which is included.")
]
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


def parse_month(month: str) -> tuple[date, date] | None:
    """The first and the last day of a month such as 2026-10; None if the text is no month."""
    found = _MONTH.fullmatch(month.strip())
    try:
        start = date(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        start = None
    if start is None:
        return None
    return start, start.replace(day=calendar.monthrange(start.year, start.month)[1])


def parse_period(month: str | None, first: str | None, last: str | None) -> tuple[date, date]:
    """The first and the last day. Raises UsageError unless exactly a month or both days are given."""
    if month is not None and first is None and last is None:
        found = parse_month(month)
        if found is None:
            raise UsageError(f'"{month}" is not a month.', "Write the month as 2026-10.")
        return found
    if month is None and first is not None and last is not None:
        begin, end = _day(first, "--from"), _day(last, "--to")
        if begin > end:
            raise UsageError(f"--from {first} is after --to {last}.", "Exchange them.")
        return begin, end
    raise UsageError(
        "the command needs exactly one period.",
        "Name either a month, such as 2026-10, or both --from and --to.",
    )


def parse_cutoff(text: str | None) -> datetime | None:
    """The time of --cutoff, None if it is not given. Raises UsageError if it is none."""
    return parse_time(text, "--cutoff")


def parse_time(text: str | None, option: str) -> datetime | None:
    """The time of an option, None if it is not given. Raises UsageError if it is none, or a duration."""
    moment = parse_moment(text, option)
    if isinstance(moment, timedelta):
        raise UsageError(f'{option} "{text}" is not a time.', "Write a date, or a date and a time.")
    return moment


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f'{option} "{text}" is not a date.', "Write the date as 2026-10-31."
        ) from None
