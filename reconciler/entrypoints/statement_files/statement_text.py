"""A statement as lines of text: what the terminal shows, and what the other formats say in the same words."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.money import Money
from reconciler.domain.statement.day_entry import NamedOnes
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.later_records import MovedFigure
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement, Movement
from reconciler.entrypoints.shown_text import cell_text, clean, moment_text, money_text
from reconciler.entrypoints.statement_files.statement_json import Head

WHAT_IT_IS: Final = (
    "The statement compares your table with Stripe's payments. It compares neither of them with the bank: it has "
    "no fees, payouts and conversions."
)
NO_FIGURES: Final = "No day of the period was examined, so the period has no figures."
EXAMINE: Final = "reconciler sweep --kind window --record"
_DAYS_NAMED: Final = 10
_PAYMENTS_NAMED: Final = 20
_DAY: Final = timedelta(days=1)
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def title(found: Statement) -> str:
    """Which account and which days it is about."""
    period = found.period
    return f"Account {found.account}, payments created from {period.first} to {period.last} ({period.zone})"


def when(found: Statement, as_of: datetime) -> str:
    """As of when the money stands, and until when the ledger was read."""
    if as_of < found.cut:
        return f"The money is as it stood at {moment_text(as_of)} UTC, before the cut-off at {moment_text(found.cut)} UTC."
    return f"The money is as it stood at the cut-off: {moment_text(found.cut)} UTC."


def days_not_examined(found: Statement) -> str:
    """The days whose money is in no sum; empty if there is none."""
    if found.is_complete:
        return ""
    named = ", ".join(str(day) for day in found.days_not_examined[:_DAYS_NAMED])
    more = len(found.days_not_examined) - _DAYS_NAMED
    return f"Days not examined: {named}{f' and {more} more' if more > 0 else ''}."


def of_examined_days(found: Statement) -> str:
    """Of how many days the figures are, to stand after one; empty if it is every day of the period."""
    days = len(found.period.days)
    missing = len(found.days_not_examined)
    return f", for {days - missing} of {days} days" if missing else ""


def headline(found: Statement, one: CurrencyStatement) -> str:
    """What is unexplained, and of how many days; in words if no day was examined, because 0 would look like a result."""
    if not found.has_examined_day:
        return f"not examined. {NO_FIGURES}"
    unexplained = money_text(Money(one.unexplained, one.currency))
    return f"unexplained {unexplained}{of_examined_days(found)}"


def head_line(head: Head) -> str:
    """The last entry of the ledger that it is made of."""
    if head is None:
        return "The ledger holds no entry."
    return f"Made from the ledger up to entry {head[0]}, hash {head[1]}."


def lost_webhooks(period: Period, one: CurrencyStatement) -> str:
    """What lost webhooks did to payments of the period; empty if they did nothing."""
    lost = one.lost_webhooks
    if not lost.lost.count:
        return ""
    when = "This month" if _is_month(period) else "In this period"
    said = f"{when} {_payments(lost.lost.count)} worth {_money(lost.lost, one)} lost a webhook"
    within = "" if lost.slowest is None else f" within {_span(lost.slowest)}"
    whose = "its" if lost.lost.count == 1 else "their"
    if not lost.not_right.count:
        return f"{said}; all {whose} rows were right{within}."
    open_ones = f"{lost.not_right.count:,} worth {_money(lost.not_right, one)}"
    if lost.slowest is None:
        return f"{said}; at the cut-off none of {whose} rows was right."
    return f"{said}; at the cut-off the rows of {open_ones} were not right, and the other rows were right{within}."


def _is_month(period: Period) -> bool:
    last = calendar.monthrange(period.first.year, period.first.month)[1]
    return period.first.day == 1 and period.last == period.first.replace(day=last)


def explanations(one: CurrencyStatement) -> Iterator[tuple[str, str]]:
    """What explains the difference: a name and its money for each kind and each note of the days."""
    by_kind: dict[str, Movement] = {}
    for item in one.items:
        by_kind[item.kind] = by_kind.get(item.kind, Movement()) + Movement(1, item.amount)
    for kind, movement in sorted(by_kind.items()):
        yield kind, f"{_money(movement, one)} (findings: {movement.count:,})"
    for name, amount, payments in (
        ("rows created on another day", one.moved, one.moved_payments),
        ("a webhook may be on its way", one.waiting, one.waiting_payments),
        ("all money went back on both sides", one.returned, one.returned_payments),
    ):
        if amount or payments[0]:
            yield name, f"{money_text(Money(amount, one.currency))}{named_payments(payments)}"


def named_payments(payments: NamedOnes) -> str:
    """How many payments and which, in parentheses; empty if an early version has not counted them."""
    if not payments[0]:
        return ""
    count, names = payments
    shown = ", ".join(names[:_PAYMENTS_NAMED])
    more = count - min(len(names), _PAYMENTS_NAMED)
    return f" (payments: {count:,}: {shown}{f' and {more:,} more' if more else ''})"


def open_differences(one: CurrencyStatement) -> tuple[str, str]:
    """How the open differences of the account moved, with their name."""
    opening, new, cleared, closing = (
        _money(moved, one) for moved in (one.opening, one.new, one.cleared, one.closing)
    )
    return (
        "Open differences",
        f"{opening} at the beginning, {new} new, {cleared} cleared, {closing} at the end",
    )


def figures(found: Statement, one: CurrencyStatement) -> list[tuple[str, str]]:
    """The figures of a currency, each with its name; those that explain the difference are indented.

    There is none if no day of the period was examined.
    """
    if not found.has_examined_day:
        return []

    def money(amount: int) -> str:
        return money_text(Money(amount, one.currency))

    pairs = [
        ("Paid in your table", f"{money(one.local)} (rows: {one.local_count:,})"),
        ("Stripe received", f"{money(one.stripe)} (payments: {one.stripe_count:,})"),
        ("Difference", money(one.difference)),
        ("Explained", money(one.explained)),
        *((f"  {name}", value) for name, value in explanations(one)),
        ("Received, then refunded", money(one.refunded)),
        ("Received, then lost in disputes", money(one.disputed)),
    ]
    for name, excluded in (
        ("Not counted: payments outside this table", one.unrelated),
        ("Not counted: rows outside the mapping", one.outside_mapping),
    ):
        if excluded.count:
            pairs.append((name, f"{_money(excluded, one)} (payments: {excluded.count:,})"))
    return pairs


def ageing(found: Statement, one: CurrencyStatement) -> Iterator[tuple[str, str]]:
    """The open differences by age and owner."""
    for aged in found.aged(one):
        owner = f", assigned to {aged.owner}" if aged.owner else ", not assigned"
        yield (
            f"open for {aged.age} days",
            f"{_money(aged.items, one)} (findings: {aged.items.count:,}{owner})",
        )


def subsequent(one: CurrencyStatement) -> str:
    """How many payments changed after the cut-off, and by how much; empty if none did."""
    if not one.subsequent:
        return ""
    change = sum(
        (event.after.amount if event.after else 0) - (event.before.amount if event.before else 0)
        for event in one.subsequent
    )
    return f"After the cut-off, {_payments(len(one.subsequent))} of this period changed. Together the differences changed by {money_text(Money(change, one.currency))}. No figure above includes this."


LATER_FIGURES: Final = {
    MovedFigure.LOCAL: "paid in your table",
    MovedFigure.STRIPE: "Stripe received",
    MovedFigure.REFUNDED: "refunded by Stripe",
    MovedFigure.DISPUTED: "lost in disputes",
}
"""The figures that a later sweep may find changed, for people."""


def later_payment(later: LaterMoney) -> str:
    """The payment of which money moved."""
    return later.payment or "payments of the day that are not named"


def later_when(later: LaterMoney) -> str:
    """When money moved, as far as the ledger knows it."""
    if later.dated is not None:
        return f"{moment_text(later.dated)} by Stripe's event, seen {moment_text(later.at)}"
    return f"some time after {moment_text(later.since)}, seen {moment_text(later.at)}"


def later_money(one: CurrencyStatement) -> str:
    """By how much each figure moved after the cut-off, also of payments that agree; empty if none did."""
    sums: dict[MovedFigure, int] = {}
    for later in one.later:
        sums[later.figure] = sums.get(later.figure, 0) + later.change
    if not sums:
        return ""
    parts = [
        f"{LATER_FIGURES[figure]} {money_text(Money(abs(amount), one.currency))} {'less' if amount < 0 else 'more'}"
        for figure, amount in sorted(sums.items())
    ]
    return f"After the cut-off the money of this period's payments moved: {', '.join(parts)}. No figure above includes it."


def later_lines(one: CurrencyStatement) -> Iterator[str]:
    """Each payment or day of which money moved after the cut-off; the first of them if there are many."""
    for later in one.later[:_PAYMENTS_NAMED]:
        before, after = (
            money_text(Money(amount, one.currency)) for amount in (later.before, later.after)
        )
        yield (
            f"{LATER_FIGURES[later.figure]}: {later_payment(later)}, created on {later.day}: {before} at the cut-off,"
            f" {after} as seen; {later_when(later)}"
        )
    more = len(one.later) - _PAYMENTS_NAMED
    if more > 0:
        yield f"and {more:,} more, which --format json, csv and xlsx list"


def examined_again(found: Statement, as_of: datetime) -> str:
    """Of which days the ledger may not know what became of their money since; empty until a day after the cut-off."""
    again, days = len(found.days_examined_later), len(found.period.days)
    # hardly anything has happened within a day, and the next sweep of the days is still to come
    if as_of < found.cut + _DAY or again == days:
        return ""
    return (
        f"Of the {days} days of the period, {again} were examined again after the cut-off. A refund or a lost dispute of the"
        " other days' payments is known only if it became a finding. To see the rest, examine the other days again with a window sweep."
    )


def findings_below(count: int, limit: str) -> str:
    """Findings that are too small to be listed, as the beginning of a sentence or the name of their sum."""
    return (
        f"1 finding of less than {limit}"
        if count == 1
        else f"{count:,} findings of less than {limit} each"
    )


def _payments(count: int) -> str:
    return f"{count:,} payment{'' if count == 1 else 's'}"


def _money(movement: Movement, one: CurrencyStatement) -> str:
    return money_text(Money(movement.amount, one.currency))


def _span(span: timedelta) -> str:
    """A duration in its greatest unit, rounded up: "all within 2 hours" must not be too little."""
    seconds = max(1, -(-span // timedelta(seconds=1)))
    for size, name in _UNITS:
        if seconds >= size:
            count = -(-seconds // size)
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    raise AssertionError("this span is shorter than a second")


def pair_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names and values, one pair a line, with the values aligned."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        yield clean(f"  {name.ljust(width)}  {cell_text(value)}")
