"""The parts of a statement's page below its sums: ages, what happened after the cut-off, and the certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final

from reconciler.adapters.postgres.audit.statement_records import RecordedStatement
from reconciler.domain.money import Money
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.reconciling_item import ReconcilingItem
from reconciler.domain.statement.statement import AgedItems, PartOfOpen, Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement, SubsequentEvent
from reconciler.entrypoints.shown_text import money_text
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.statement_files.certificate import TITLE, Certificate
from reconciler.entrypoints.statement_files.origin import moment_word, origin_by
from reconciler.entrypoints.web.call import Call
from reconciler.entrypoints.web.tables import (
    Column,
    Table,
    address,
    moment_column,
    money_column,
    number_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

OPEN_PARTS: Final = {
    PartOfOpen.OF_PERIOD: "of these, from payments of this period",
    PartOfOpen.CARRIED_IN: "of these, carried in: from payments created before the period",
    PartOfOpen.LATER: "of these, from payments created after the period",
}


def sentences(found: Statement, one: CurrencyStatement) -> Sequence[str]:
    """What the page says about a currency in words: lost webhooks, small items, and what happened after the cut-off."""
    small = one.below_materiality
    below = ""
    if small.count:
        limit, total = Money(one.materiality, one.currency), Money(small.amount, one.currency)
        below = (
            f"{statement_text.findings_below(small.count, money_text(limit))} {'is' if small.count == 1 else 'are'} "
            f"not listed; the sum is {money_text(total)}. Every sum and every file includes "
            f"{'it' if small.count == 1 else 'them'}."
        )
    said = (
        statement_text.lost_webhooks(found.period, one),
        below,
        statement_text.subsequent(one),
        statement_text.later_money(one),
    )
    return [text for text in said if text]


def open_by_creation(
    found: Statement, one: CurrencyStatement
) -> dict[PartOfOpen, list[ReconcilingItem]]:
    """What is open at the cut-off, by whether its payment was created in the period, before it or after it."""
    parts: dict[PartOfOpen, list[ReconcilingItem]] = {part: [] for part in OPEN_PARTS}
    for item in one.open_items:
        parts[found.part_of(item)].append(item)
    return parts


def open_counts(found: Statement, one: CurrencyStatement, listed: int) -> str:
    """How the numbers of the page and of the list of discrepancies fit together. ``listed`` are open in the list now."""
    others = " and by the other lines above" if one.moved or one.waiting or one.returned else ""
    explaining = (
        f"This period's difference is explained by {_findings(len(one.items))}{others}. Each finding is as it was when "
        "its day was examined."
        if found.has_examined_day
        else statement_text.NO_FIGURES
    )
    return (
        f"{explaining} Open in the whole account at the cut-off: {_findings(one.closing.count)} with a difference of "
        "money. This number includes findings that a person resolved or ignored. Open in the list of discrepancies "
        f"now: {_findings(listed)}. This number includes findings without a difference of money, and those found "
        "after the cut-off."
    )


def _findings(count: int) -> str:
    return f"{count:,} finding{'' if count == 1 else 's'}"


def carried_table(account: str, found: Statement, one: CurrencyStatement) -> Table[ReconcilingItem]:
    """The open differences of payments that were created before the period, by name."""
    return Table(
        f"carried_{one.currency}",
        f"{one.currency.upper()}: carried in from before the period",
        _item_columns(account, found, "State at the cut-off"),
        open_by_creation(found, one)[PartOfOpen.CARRIED_IN],
    )


def named_table(account: str, one: CurrencyStatement) -> Table[tuple[str, str]]:
    """The payments that differ without a finding, as far as the sweeps have named them."""
    explanations = (
        ("a webhook may be on its way", one.waiting_payments),
        ("the row was created on another day", one.moved_payments),
        ("all money went back on both sides", one.returned_payments),
    )
    return Table(
        f"named_{one.currency}",
        f"{one.currency.upper()}: payments that differ without a finding",
        (
            text_column(
                "Payment",
                lambda line: line[0],
                href=lambda line: address("/payment", account=account, name=line[0]),
            ),
            text_column("Why", lambda line: line[1]),
        ),
        [(name, why) for why, (_, names) in explanations for name in names],
    )


def ageing_table(found: Statement, one: CurrencyStatement) -> Table[AgedItems]:
    """What is open at the cut-off, by age and owner."""
    return Table(
        f"ageing_{one.currency}",
        f"{one.currency.upper()}: how old the open differences are",
        (
            text_column("Open for", lambda aged: f"{aged.age} days"),
            text_column("Owner", lambda aged: aged.owner or "no owner"),
            number_column("Number", lambda aged: aged.items.count),
            money_column("Amount", lambda aged: Money(aged.items.amount, one.currency)),
        ),
        found.aged(one),
        empty="Nothing is open.",
    )


def _item_columns(account: str, found: Statement, state: str) -> list[Column[ReconcilingItem]]:
    def href(item: ReconcilingItem) -> str:
        name = item.subject.removeprefix("row:").split(",")[0]
        return address("/payment", account=account, name=name)

    return [
        text_column("Payment", lambda item: item.subject, href=href),
        text_column("Kind", lambda item: words(item.kind)),
        text_column(state, lambda item: words(item.state)),
        text_column("Owner", found.owner_of),
        text_column("Reason", lambda item: words(item.reason) if item.reason else ""),
        moment_column("Payment created", lambda item: item.payment_created),
        moment_column("Since", lambda item: item.since),
        money_column("Amount", lambda item: Money(item.amount, item.currency)),
    ]


def items_table(account: str, found: Statement, one: CurrencyStatement) -> Table[ReconcilingItem]:
    """What explains the difference. The page lists what is material, a file has every item."""
    return Table(
        f"items_{one.currency}",
        f"{one.currency.upper()}: what explains the difference",
        _item_columns(account, found, "State when examined"),
        one.material_items,
        empty="No finding explains a part of the difference.",
        all_rows=lambda: nullcontext(iter(one.items)),
    )


def subsequent_table(account: str, one: CurrencyStatement) -> Table[SubsequentEvent]:
    """What became of payments of the period after the cut-off; no figure includes it."""

    def subject(event: SubsequentEvent) -> str:
        known = event.after or event.before
        return "" if known is None else known.subject

    def money(item: ReconcilingItem | None) -> Money:
        return Money(0 if item is None else item.amount, one.currency)

    return Table(
        f"subsequent_{one.currency}",
        f"{one.currency.upper()}: payments that changed after the cut-off",
        (
            text_column(
                "Payment",
                subject,
                href=lambda event: address(
                    "/payment", account=account, name=subject(event).removeprefix("row:")
                ),
            ),
            text_column("State", lambda event: words(event.state)),
            moment_column("Time", lambda event: event.at),
            money_column("Difference before", lambda event: money(event.before)),
            money_column("Difference after", lambda event: money(event.after)),
        ),
        one.subsequent,
    )


def later_table(account: str, one: CurrencyStatement) -> Table[LaterMoney]:
    """What became of the period's money after the cut-off, also of payments that agree; no figure includes it."""

    def money(amount: int) -> Money:
        return Money(amount, one.currency)

    return Table(
        f"later_{one.currency}",
        f"{one.currency.upper()}: money that moved after the cut-off",
        (
            text_column("Payment", statement_text.later_payment, href=lambda one: _payment_of(account, one)),
            text_column("What", lambda one: words(statement_text.LATER_FIGURES[one.figure])),
            text_column("Payments of", lambda one: one.day.isoformat()),
            moment_column("Not before", lambda one: one.since),
            moment_column("Seen", lambda one: one.at),
            moment_column("Dated", lambda one: one.dated),
            money_column("At the cut-off", lambda one: money(one.before)),
            money_column("As seen", lambda one: money(one.after)),
        ),
        one.later,
    )  # fmt: skip


def _payment_of(account: str, later: LaterMoney) -> str | None:
    return (
        None if later.payment is None else address("/payment", account=account, name=later.payment)
    )


def certificate_table(
    call: Call, account: str, found: RecordedStatement, cutoff: datetime
) -> Table[tuple[str, str]]:
    """The certificate of completeness of what the page shows, and the command that makes the same statement."""
    statement, now = found.statement, call.clock.now()
    period = statement.period
    command = [
        "statement", "--from", str(period.first), "--to", str(period.last), "--cutoff", moment_word(cutoff),
        "--as-of", moment_word(now), "--account", account,
    ]  # fmt: skip
    origin = origin_by(call.reader.actor, call.settings, now, command)
    certificate = Certificate(statement, found.head, now, origin, {})
    return Table(
        "certificate",
        TITLE,
        (
            text_column("What", lambda line: line[0]),
            text_column("Value", lambda line: line[1]),
        ),
        list(certificate.lines()),
        # an auditor runs its queries
        is_whole=True,
    )


def detail_tables(account: str, found: Statement, one: CurrencyStatement) -> Iterator[Table[Any]]:
    """The tables of one currency below its sums."""
    yield ageing_table(found, one)
    yield items_table(account, found, one)
    yield named_table(account, one)
    yield carried_table(account, found, one)
    yield subsequent_table(account, one)
    yield later_table(account, one)
