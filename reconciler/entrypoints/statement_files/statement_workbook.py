"""A statement as a workbook: summary, roll-forward, discrepancies, open differences, what came later, and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from reconciler.domain.money import Money
from reconciler.domain.statement.reconciling_item import ReconcilingItem
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.domain.statement.statement import PartOfOpen, Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.statement_files.certificate import TITLE, Certificate
from reconciler.entrypoints.statement_files.workbook import MOST_ROWS, Cell, Workbook

_ITEM_TITLES: Final = (
    "account", "currency", "payment", "kind", "severity", "reason", "state", "owner", "created (UTC)",
    "found (UTC)", "amount", "amount in minor units",
)  # fmt: skip
_PARTS: Final = {
    PartOfOpen.OF_PERIOD: "in the period",
    PartOfOpen.CARRIED_IN: "before the period (carried in)",
    PartOfOpen.LATER: "after the period",
}


def write_statement_workbook(
    path: Path,
    certificates: Sequence[Certificate],
    corrections: Iterable[RecordedCorrection],
    most_rows: int = MOST_ROWS,
) -> None:
    """Write the workbook. Raises UsageError if the file cannot be written."""
    with Workbook(path, most_rows) as book:
        add_summary(book, certificates)
        add_roll_forward(book, certificates)
        _discrepancies(book, certificates)
        _open_items(book, certificates)
        _after_cutoff(book, certificates)
        add_corrections(book, corrections)
        add_days(book, certificates)
        sheet = book.sheet("certificate", (TITLE, ""))
        for one in certificates:
            for name, value in one.lines():
                sheet.add((name, value))


def add_summary(book: Workbook, certificates: Sequence[Certificate]) -> None:
    """Add the sheet of the figures of each statement, with what they are."""
    sheet = book.sheet("summary", ("account", "currency", "figure", "money", "count", "remark"))
    for one in certificates:
        found = one.statement
        account = found.account
        remarks = [
            f"{statement_text.title(found)}. {statement_text.when(found, one.as_of)}",
            statement_text.WHAT_IT_IS,
            statement_text.days_not_examined(found),
            statement_text.examined_again(found, one.as_of),
        ]
        for remark in filter(None, remarks):
            sheet.add((account, None, None, None, None, remark))
        for currency in found.currencies:
            if found.has_examined_day:
                for name, amount, count in _figures(currency):
                    money = Money(amount, currency.currency)
                    sheet.add((account, currency.currency.upper(), name, money, count, None))
            for said in (
                "" if found.has_examined_day else statement_text.NO_FIGURES,
                statement_text.lost_webhooks(found.period, currency),
                statement_text.subsequent(currency),
                statement_text.later_money(currency),
            ):
                if said:
                    sheet.add((account, currency.currency.upper(), None, None, None, said))


def _figures(one: CurrencyStatement) -> Iterable[tuple[str, int, int | None]]:
    yield "unexplained", one.unexplained, None
    yield "paid in your table", one.local, one.local_count
    yield "Stripe received", one.stripe, one.stripe_count
    yield "difference", one.difference, None
    yield "explained", one.explained, None
    yield "explained by findings", sum(item.amount for item in one.items), len(one.items)
    yield "rows created on another day", one.moved, one.moved_payments[0]
    yield "a webhook may be on its way", one.waiting, one.waiting_payments[0]
    yield "all money went back on both sides", one.returned, one.returned_payments[0]
    yield "refunded by Stripe", one.refunded, None
    yield "lost in disputes", one.disputed, None
    yield "payments outside this table", one.unrelated.amount, one.unrelated.count
    yield "rows outside the mapping", one.outside_mapping.amount, one.outside_mapping.count


def add_roll_forward(book: Workbook, certificates: Sequence[Certificate]) -> None:
    """Add the sheet of the open differences: how they moved, and how old they are."""
    titles = ("account", "currency", "open differences", "owner", "findings", "money")
    sheet = book.sheet("roll-forward", titles)
    for one in certificates:
        account = one.statement.account
        for currency in one.statement.currencies:
            code = currency.currency
            for name, moved in (
                ("open at the beginning", currency.opening),
                ("new", currency.new),
                ("cleared", currency.cleared),
                ("open at the end", currency.closing),
            ):
                money = Money(moved.amount, code)
                sheet.add((account, code.upper(), name, None, moved.count, money))
            for aged in one.statement.aged(currency):
                name, owner = f"open for {aged.age} days", aged.owner or "no owner"
                money = Money(aged.items.amount, code)
                sheet.add((account, code.upper(), name, owner, aged.items.count, money))


def _discrepancies(book: Workbook, certificates: Sequence[Certificate]) -> None:
    sheet = book.sheet("discrepancies", _ITEM_TITLES)
    for one in certificates:
        for currency in one.statement.currencies:
            for item in currency.items:
                sheet.add(_item_row(one.statement, item))


def _open_items(book: Workbook, certificates: Sequence[Certificate]) -> None:
    """Add the sheets whose sums are the beginning and the end of the roll-forward."""
    sheet = book.sheet("open at the beginning", (*_ITEM_TITLES, "at the cut-off"))
    for one in certificates:
        for currency in one.statement.currencies:
            for opened in currency.opening_items:
                end = "open" if opened.is_carried else "cleared, or open with another amount"
                sheet.add((*_item_row(one.statement, opened.item), end))
    sheet = book.sheet("open at the cut-off", (*_ITEM_TITLES, "payment created"))
    for one in certificates:
        for currency in one.statement.currencies:
            for item in currency.open_items:
                part = _PARTS[one.statement.part_of(item)]
                sheet.add((*_item_row(one.statement, item), part))


def _item_row(found: Statement, item: ReconcilingItem) -> tuple[Cell, ...]:
    return (
        found.account, item.currency.upper(), item.subject, item.kind, item.severity, item.reason,
        item.state, found.owner_of(item), item.payment_created, item.since,
        Money(item.amount, item.currency), item.amount,
    )  # fmt: skip


def _after_cutoff(book: Workbook, certificates: Sequence[Certificate]) -> None:
    """Add the sheet of the subsequent events: differences, and money that moved; no figure includes them."""
    titles = (
        "account", "currency", "payment", "what", "state", "created", "not before (UTC)", "seen (UTC)", "dated (UTC)",
        "at the cut-off", "as seen",
    )  # fmt: skip
    sheet = book.sheet("after the cut-off", titles)
    for one in certificates:
        account = one.statement.account
        for currency in one.statement.currencies:
            code = currency.currency
            for event in currency.subsequent:
                sheet.add(
                    (
                        account, code.upper(), event.name[0], f"difference: {event.name[1]}", event.state, None, None,
                        event.at, None, Money(event.amount_before, code),
                        Money(event.amount_after, code),
                    )
                )  # fmt: skip
            for later in currency.later:
                sheet.add(
                    (
                        account, code.upper(), statement_text.later_payment(later),
                        statement_text.LATER_FIGURES[later.figure], None, later.day, later.since, later.at, later.dated,
                        Money(later.before, code), Money(later.after, code),
                    )
                )  # fmt: skip


def add_corrections(book: Workbook, corrections: Iterable[RecordedCorrection]) -> None:
    """Add the sheet of what was written to rows."""
    titles = (
        "account", "entry", "at (UTC)", "action", "payment", "row", "status before", "status after", "asked by", "sweep",
    )  # fmt: skip
    sheet = book.sheet("corrections", titles)
    for one in corrections:
        sheet.add(
            (
                one.account, one.seq, one.at, one.action, one.payment_intent, one.key, one.before, one.after,
                one.asked_by, one.sweep,
            )
        )  # fmt: skip


def add_days(book: Workbook, certificates: Sequence[Certificate]) -> None:
    """Add the sheet of the days, and of those that were not examined."""
    titles = (
        "account", "day", "currency", "rows that say paid", "paid in your table", "payments",
        "Stripe received", "difference", "refunded", "disputed", "sweep",
    )  # fmt: skip
    sheet = book.sheet("days", titles)
    for one in certificates:
        for day in one.statement.days:
            count, amount = day.paid_here
            code = day.currency
            sheet.add(
                (
                    one.statement.account, day.day, code.upper(), count, Money(amount, code), day.received[0],
                    Money(day.received[1], code), Money(amount - day.received[1], code),
                    Money(day.refunded, code), Money(day.disputed, code), day.sweep,
                )
            )  # fmt: skip
        for missing in one.statement.days_not_examined:
            sheet.add((one.statement.account, missing, "not examined"))
