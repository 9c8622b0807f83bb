"""The statement of a month: your table against Stripe, and what explains the difference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.money import Money
from reconciler.domain.statement.day_entry import NamedOnes
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement, Movement
from reconciler.engine.actions.close_period import closing_of
from reconciler.entrypoints.shown_text import moment_text, money_text
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.files import file_links
from reconciler.entrypoints.web.months import asked_period, period_statement, usual_cutoff
from reconciler.entrypoints.web.pages.closed_periods import period_address
from reconciler.entrypoints.web.pages.closing import closing_tables, possible_steps
from reconciler.entrypoints.web.pages.statement_details import (
    OPEN_PARTS,
    certificate_table,
    detail_tables,
    open_by_creation,
    open_counts,
    sentences,
)
from reconciler.entrypoints.web.tables import (
    Table,
    address,
    money_column,
    number_column,
    text_column,
)
from reconciler.entrypoints.web.templating import inner_words


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the statement. ``count`` is of payments, rows or findings."""

    name: str
    count: int | None
    money: Money
    is_total: bool = False
    note: str | None = None
    """Which payments it is about, if there is no finding."""


def statement(call: Call) -> View:
    """The page."""
    accounts = call.records.accounts()
    account = call.account(accounts)
    if account is None:
        return View("nothing_yet.html", "Statement")
    asked = asked_period(call)
    closing = closing_of(call.records.period_ledger(account), asked.period)
    now = call.clock.now()
    cutoff = asked.cutoff or usual_cutoff(closing)
    recorded = period_statement(call, account, asked.period, cutoff)
    found = recorded.statement
    listed = call.records.open_by_currency(account)
    tables: list[Table[Any]] = [*closing_tables(account, closing)]
    for currency in found.currencies:
        tables.append(_lines_table(currency))
        tables.append(_roll_forward(found, currency))
        tables += detail_tables(account, found, currency)
    tables.append(certificate_table(call, account, recorded, cutoff))
    values = {
        "account": account,
        "accounts": accounts,
        "asked": asked,
        "closing": closing,
        # a version has no cut-off in the future
        "cutoff": min(cutoff, now),
        "examined_later": _examined_later(call, account, found),
        "as_of_today": address(
            "/statement",
            account=account,
            **{
                "from": found.period.first.isoformat(),
                "to": found.period.last.isoformat(),
                "cutoff": now.astimezone(found.period.zone).date().isoformat(),
            },
        ),
        "closable": _closable(account, found, min(cutoff, now)),
        "examined_again": statement_text.examined_again(found, now),
        "files": file_links(account, asked.chosen),
        "four_eyes": _four_eyes(call),
        "overlaps": [
            (
                f"{one.period.first} to {one.period.last}",
                one.signature,
                period_address(account, one),
            )
            for one in closing.overlaps
        ],
        "close_steps": possible_steps(closing),
        "found": found,
        "headlines": [_headline(found, one) for one in found.currencies],
        "of_days": statement_text.of_examined_days(found),
        "zone": call.settings.statement.timezone,
        "months": _months(found),
        "said": {
            one.currency: [
                open_counts(found, one, listed.get(one.currency, 0)),
                *sentences(found, one),
            ]
            for one in found.currencies
        },
    }
    return View("statement.html", f"Statement of {asked.name}", values, tuple(tables))


def _examined_later(call: Call, account: str, found: Statement) -> int:
    """How many of the days that were not examined by the cut-off were examined after it."""
    if found.is_complete:
        return 0
    ranges = call.records.examined_ranges(account)
    return sum(
        any(first <= day <= last for first, last in ranges) for day in found.days_not_examined
    )


def _closable(account: str, found: Statement, cutoff: datetime) -> list[tuple[str, str]]:
    """The runs of examined days, which can be closed without the others: each with the address of its statement."""
    if found.is_complete:
        return []
    missing = set(found.days_not_examined)
    runs: list[list[date]] = []
    for day in found.period.days:
        if day in missing:
            continue
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    # the address names a day of which the end is the cut-off
    as_of = (cutoff - timedelta(microseconds=1)).astimezone(found.period.zone).date()
    made = []
    for run in runs:
        days = {"from": run[0].isoformat(), "to": run[-1].isoformat(), "cutoff": as_of.isoformat()}
        made.append((f"{run[0]} to {run[-1]}", address("/statement", account=account, **days)))
    return made


def _four_eyes(call: Call) -> str:
    """The amounts up to which the configuration lets one person prepare and sign; empty if there are none."""
    limits = call.settings.review.four_eyes_above
    return ", ".join(
        money_text(Money(amount, currency)) for currency, amount in sorted(limits.items()) if amount
    )


def _months(found: Statement) -> str:
    days = found.days_not_examined
    named = ", ".join(day.isoformat() for day in days[:10])
    return f"{named} and {len(days) - 10} more" if len(days) > 10 else named


def _headline(found: Statement, one: CurrencyStatement) -> tuple[str, Money, str]:
    """The currency, what is unexplained, and how the card looks: not good before every day was examined."""
    tone = "bad" if one.unexplained else "good" if found.is_complete else ""
    return one.currency.upper(), Money(one.unexplained, one.currency), tone


def _lines_table(one: CurrencyStatement) -> Table[Line]:
    def money(amount: int) -> Money:
        return Money(amount, one.currency)

    by_kind: dict[str, Movement] = {}
    for item in one.items:
        by_kind[item.kind] = by_kind.get(item.kind, Movement()) + Movement(1, item.amount)
    lines = [
        Line("Paid in your table", one.local_count, money(one.local)),
        Line("Stripe received", one.stripe_count, money(one.stripe)),
        Line("Difference", None, money(one.difference), is_total=True),
        *(
            Line(
                f"explained: {inner_words(kind)}",
                by_kind[kind].count,
                money(by_kind[kind].amount),
            )
            for kind in _ordered(by_kind)
        ),
        *(
            Line(
                name,
                payments[0] or None,
                money(amount),
                note=_names(payments),
            )
            for name, amount, payments in (
                ("explained: rows created on another day", one.moved, one.moved_payments),
                ("explained: a webhook may be on its way", one.waiting, one.waiting_payments),
                (
                    "explained: all money went back on both sides",
                    one.returned,
                    one.returned_payments,
                ),
            )
            if amount or payments[0]
        ),
        Line("Explained", None, money(one.explained), is_total=True),
        Line("Unexplained", None, money(one.unexplained), is_total=True),
        # who signs the statement signs these too
        *(
            Line(name, None, money(amount))
            for name, amount in (
                ("Received, then refunded", one.refunded),
                ("Received, then lost in disputes", one.disputed),
            )
            if amount
        ),
    ]
    return Table(
        f"statement_{one.currency}",
        f"{one.currency.upper()}: your table against Stripe",
        (
            text_column("Line", lambda line: line.name, tone=_total, note=lambda line: line.note),
            number_column("Number", lambda line: line.count),
            money_column("Amount", lambda line: line.money),
        ),
        lines,
    )


def _names(payments: NamedOnes) -> str | None:
    if not payments[0]:
        return None
    more = payments[0] - len(payments[1])
    return ", ".join(payments[1]) + (f" and {more:,} more" if more else "")


def _total(line: Line) -> str | None:
    return "total" if line.is_total else None


def _ordered(by_kind: dict[str, Movement]) -> list[str]:
    order = [kind.value for kind in Kind]
    return sorted(by_kind, key=lambda kind: (order.index(kind) if kind in order else 99, kind))


def _roll_forward(found: Statement, one: CurrencyStatement) -> Table[Line]:
    def line(name: str, movement: Movement, *, is_total: bool = False) -> Line:
        return Line(name, movement.count, Money(movement.amount, one.currency), is_total)

    lines = [
        line(
            f"Open at the beginning, {moment_text(found.period.start.astimezone(UTC))}", one.opening
        ),
        line("New", one.new),
        line("Cleared", Movement(one.cleared.count, -one.cleared.amount)),
        line(f"Open at the cut-off, {moment_text(found.cut)}", one.closing, is_total=True),
        *(
            line(OPEN_PARTS[part], Movement(len(items), sum(item.amount for item in items)))
            for part, items in open_by_creation(found, one).items()
            if items
        ),
    ]
    return Table(
        f"roll_forward_{one.currency}",
        f"{one.currency.upper()}: open differences of the whole account",
        (
            text_column("Line", lambda item: item.name, tone=_total),
            number_column("Number", lambda item: item.count),
            money_column("Amount", lambda item: item.money),
        ),
        lines,
    )
