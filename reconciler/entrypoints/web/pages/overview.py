"""The overview: unexplained money first, then what is open, what was corrected, and how payments reach the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from markupsafe import Markup

from reconciler.adapters.postgres.web.overview_figures import (
    DAYS,
    CorrectedFigure,
    OpenFigure,
)
from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.money import Money
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.shown_text import money_text
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.charts import Bar, bar_chart, column_chart
from reconciler.entrypoints.web.months import Month, month_of, month_statement
from reconciler.entrypoints.web.pages.learning_figures import Figure, learning_figures
from reconciler.entrypoints.web.tables import (
    Column,
    Table,
    address,
    money_column,
    number_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

AGES: Final = ("up to 1 day", "2 to 7 days", "8 to 30 days", "over 30 days")
_TONES: Final = {"critical": "critical", "warning": "warning", "info": "plain"}
_SEVERITIES: Final = [severity.value for severity in Severity]
_MOST_PICTURES: Final = 2
_SPANS: Final = {1: "today", 7: "in 7 days", DAYS: f"in {DAYS} days"}


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A month and currency whose money is, or is not, explained."""

    month: Month
    currency: CurrencyStatement

    @property
    def money(self) -> Money:
        """The part of the difference that nothing explains."""
        return Money(self.currency.unexplained, self.currency.currency)


@dataclass(frozen=True, slots=True)
class OpenLine:
    """Open discrepancies of one group, in one currency."""

    name: str
    severity: str
    currency: str
    count: int
    amount: int

    @property
    def money(self) -> Money:
        """The money at stake."""
        return Money(self.amount, self.currency)


def overview(call: Call) -> View:
    """The first page."""
    account = call.account(call.records.accounts())
    if account is None:
        return View("nothing_yet.html", "Overview")
    now = call.clock.now()
    figures = call.records.overview(account, call.settings.statement.timezone, now)
    today = now.astimezone(call.settings.statement.zone).date()
    months = (month_of(today), month_of(today.replace(day=1) - timedelta(days=1)))
    statements = [(month, month_statement(call, account, month)) for month in months]
    by_kind = _lines(figures.open, lambda one: one.kind)
    by_severity = _lines(figures.open, lambda one: one.severity)
    by_severity.sort(key=lambda line: -_SEVERITIES.index(line.severity))
    by_age = _lines(figures.open, lambda one: AGES[one.age])
    by_age.sort(key=lambda line: AGES.index(line.name))
    tables = (
        _unexplained_table(statements),
        _open_table("severities", "Open, by severity", "severity", by_severity, account),
        _open_table("kinds", "Open, by kind", "kind", by_kind, account),
        _open_table("ages", "Open, by age", "age", by_age, account),
        _corrected_table(figures.corrected, today),
        _days_table(figures.corrected),
        _figures_table(learning_figures(figures)),
    )
    values = {
        "account": account,
        "accounts": call.records.accounts(),
        "statements": statements,
        "severities": _cards(figures.open),
        "pictures": _pictures(by_kind),
        "days_picture": _days_picture(figures.corrected, today),
        "figures": figures,
        "days": DAYS,
        "today": today,
        "corrected": (sum(one.count for one in figures.corrected), figures.corrected_payments),
    }
    return View("overview.html", "Overview", values, tables)


def _unexplained_table(
    statements: Sequence[tuple[Month, Statement]],
) -> Table[Unexplained]:
    rows = [
        Unexplained(month, currency)
        for month, statement in statements
        for currency in statement.currencies
        # nothing is explained before a day was examined
        if len(statement.days_not_examined) < len(statement.period.days)
    ]
    rows.sort(key=lambda row: row.money.amount == 0)
    return Table(
        "unexplained",
        "Unexplained money, by month of the payment",
        (
            text_column("Month", lambda row: row.month.name, href=lambda row: row.month.address),
            money_column("Paid in your table", lambda row: _money(row, row.currency.local)),
            money_column("Stripe received", lambda row: _money(row, row.currency.stripe)),
            money_column("Difference", lambda row: _money(row, row.currency.difference)),
            money_column("Explained", lambda row: _money(row, row.currency.explained)),
            money_column("Unexplained", lambda row: row.money),
        ),
        rows,
        empty="No payment of these months has been examined yet.",
    )


def _money(row: Unexplained, amount: int) -> Money:
    return Money(amount, row.currency.currency)


def _lines(figures: Iterable[OpenFigure], name: Callable[[OpenFigure], str]) -> list[OpenLine]:
    """The figures added up by a name and currency, the largest amount first."""
    counts: Counter[tuple[str, str]] = Counter()
    amounts: Counter[tuple[str, str]] = Counter()
    severities: dict[tuple[str, str], str] = {}
    for figure in figures:
        key = (name(figure), figure.currency)
        counts[key] += figure.count
        amounts[key] += figure.amount
        worst = severities.get(key, figure.severity)
        severities[key] = max(worst, figure.severity, key=_SEVERITIES.index)
    lines = [OpenLine(key[0], severities[key], key[1], counts[key], amounts[key]) for key in counts]
    return sorted(lines, key=lambda line: (line.currency, -line.amount, line.name))


def _open_table(
    name: str, caption: str, filter_name: str, lines: Sequence[OpenLine], account: str
) -> Table[OpenLine]:
    def href(line: OpenLine) -> str | None:
        if filter_name == "age":
            return None
        chosen = {filter_name: line.name, "state": "open", "currency": line.currency}
        return address("/discrepancies", account=account, **chosen)

    return Table(
        name,
        caption,
        (
            text_column(
                words(filter_name),
                lambda line: words(line.name),
                href=href,
                tone=lambda line: None if filter_name == "age" else f"severity-{line.severity}",
            ),
            number_column("Discrepancies", lambda line: line.count),
            money_column("At stake", lambda line: line.money),
        ),
        lines,
        empty="Nothing is open.",
    )


def _cards(figures: Sequence[OpenFigure]) -> list[tuple[str, int, list[Money]]]:
    """For each severity how many are open, and the money at stake by currency."""
    cards = []
    for severity in reversed(Severity):
        of = [figure for figure in figures if figure.severity == severity.value]
        amounts: Counter[str] = Counter()
        for figure in of:
            amounts[figure.currency] += figure.amount_once
        money = [Money(amount, currency) for currency, amount in sorted(amounts.items()) if amount]
        cards.append((severity.value, sum(figure.count for figure in of), money))
    return cards


def _pictures(lines: Sequence[OpenLine]) -> list[Markup]:
    """A picture for each of the currencies with the most open discrepancies."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts[line.currency] += line.count
    pictures: list[Markup] = []
    for currency, _ in counts.most_common(_MOST_PICTURES):
        of = [line for line in lines if line.currency == currency]
        if len(of) < 2:
            continue
        bars = [
            Bar(words(line.name), line.amount, money_text(line.money), _TONES[line.severity])
            for line in of
        ]
        title = f"Money at stake in {currency.upper()}, by kind; warnings are hatched"
        pictures.append(bar_chart(f"kinds-{len(pictures)}", title, bars))
    return pictures


def _days_picture(figures: Sequence[CorrectedFigure], today: date) -> Markup:
    counts: Counter[date] = Counter()
    for figure in figures:
        counts[figure.day] += figure.count
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    columns = [Bar(f"{day:%d %b}", counts[day], f"{counts[day]:,}") for day in days]
    return column_chart("days", "Corrected rows, by day", columns)


@dataclass(frozen=True, slots=True)
class CorrectedLine:
    """The corrections in one currency, by how many days back they go."""

    currency: str
    by_days: Mapping[int, tuple[int, Money]]


def _corrected_table(figures: Sequence[CorrectedFigure], today: date) -> Table[CorrectedLine]:
    lines = []
    for currency in sorted({figure.currency for figure in figures}):
        by_days = {}
        for days in _SPANS:
            first = today - timedelta(days=days - 1)
            of = [one for one in figures if one.day >= first and one.currency == currency]
            money = Money(sum(one.amount for one in of), currency)
            by_days[days] = (sum(one.count for one in of), money)
        lines.append(CorrectedLine(currency, by_days))
    columns: list[Column[CorrectedLine]] = [
        text_column("Currency", lambda line: line.currency.upper())
    ]
    for days, name in _SPANS.items():
        columns += [
            number_column(f"Rows {name}", partial(_rows_of, days)),
            money_column(f"Worth {name}", partial(_worth_of, days)),
        ]
    return Table(
        "corrected",
        "Corrected rows, by currency",
        columns,
        lines,
        empty=f"Nothing was corrected in {DAYS} days.",
    )


def _rows_of(days: int, line: CorrectedLine) -> int:
    return line.by_days[days][0]


def _worth_of(days: int, line: CorrectedLine) -> Money:
    return line.by_days[days][1]


def _days_table(figures: Sequence[CorrectedFigure]) -> Table[CorrectedFigure]:
    return Table(
        "days",
        "Corrected rows, by day",
        (
            text_column("Day", lambda one: one.day.isoformat()),
            number_column("Rows", lambda one: one.count),
            money_column("Worth", lambda one: Money(one.amount, one.currency)),
        ),
        figures,
        empty=f"Nothing was corrected in {DAYS} days.",
    )


def _figures_table(figures: Sequence[Figure]) -> Table[Figure]:
    return Table(
        "figures",
        f"How payments reached your table in the last {DAYS} days",
        (
            text_column("Figure", lambda one: one.name),
            text_column("Value", lambda one: one.value),
            text_column("Meaning", lambda one: one.meaning),
        ),
        figures,
    )
