"""``statement``: what the table calls paid in a period, what Stripe received, and what explains the difference."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.domain.money import Money, as_major
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement import Statement
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    JsonOption,
    chosen_accounts,
    parse_moment,
)
from reconciler.entrypoints.cli.output import (
    money_text,
    warn,
    write_csv,
    write_json,
    write_line,
    write_pairs,
)
from reconciler.entrypoints.cli.period_argument import parse_period
from reconciler.entrypoints.invocation import invocation
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.statement_files.statement_json import Head, as_json, item_json
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.adapters.postgres.audit.statement_records import RecordedStatement

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a period its money is looked at, unless --cutoff says otherwise."""
ITEM_NAMES: Final = (
    "account", "currency", "subject", "kind", "severity", "reason", "state", "amount", "amount_decimal", "payment_created", "since",
    "owner",
)  # fmt: skip
_CLOCKS_DIFFER_BY: Final = timedelta(hours=1)


class StatementFormat(StrEnum):
    """The format of a statement."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def statement(
    context: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="[MONTH]", help="The month, such as 2026-10.")
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day, in place of a month."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="The last day, which is included.")
    ] = None,
    account: AccountOption = None,
    cutoff: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Show the money as it stood then.  [default: 5 days after the period's end]",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Make it as it would have been made then, from what was known."
        ),
    ] = None,
    output_format: Annotated[
        StatementFormat,
        typer.Option(
            "--format",
            metavar="text|json|csv",
            help="text is for people; csv lists the items that explain the difference.",
        ),
    ] = StatementFormat.TEXT,
    json: JsonOption = False,
) -> int:
    """Compare a period's payments in your table with what Stripe received.

    Needs only the database: it is made of the ledger. Exits with 75 if a day of the period was not examined.
    """
    from reconciler.wiring.audit import open_audit

    call = invocation(context)
    settings = call.settings(need_stripe=False, need_table=False)
    days = parse_period(period, first, last)
    chosen = Period(*days, settings.statement.zone)
    cut, known, shown = _moments(chosen, cutoff, as_of, call.clock.now())
    with open_audit(settings) as audit:
        made = [
            audit.statement(name, chosen, cut, known, settings.review.materiality)
            for name in chosen_accounts(audit.ledger.accounts(), account)
        ]
    if not made:
        warn("No sweep has recorded anything yet, so no day was examined.")
        warn("hint: Record what is found with: reconciler sweep --kind window --record")
        return int(ExitCode.TEMPORARY)
    match StatementFormat.JSON if json else output_format:
        case StatementFormat.JSON:
            write_json([as_json(one.statement, one.head, shown) for one in made])
        case StatementFormat.CSV:
            write_csv(ITEM_NAMES, _item_rows(made), sys.stdout)
        case StatementFormat.TEXT:
            for one in made:
                _write(one.statement, one.head, shown)
    complete = all(one.statement.is_complete for one in made)
    return int(ExitCode.DONE if complete else ExitCode.TEMPORARY)


def _moments(
    period: Period, cutoff: str | None, as_of: str | None, now: datetime
) -> tuple[datetime, datetime, datetime]:
    """As of when the money stands, until when the ledger is read, and the same as it is said to a person.

    The cut-off counts, or --as-of if that is earlier. Without --as-of the whole ledger is read.
    """
    cut = _time(cutoff, "--cutoff") or period.end + CUTOFF_AFTER
    known = _time(as_of, "--as-of")
    if known is None:
        # the database's clock may be ahead of this one
        return cut.astimezone(UTC), max(now, cut).astimezone(UTC) + _CLOCKS_DIFFER_BY, now
    return min(cut, known).astimezone(UTC), known.astimezone(UTC), known.astimezone(UTC)


def _time(text: str | None, option: str) -> datetime | None:
    moment = parse_moment(text, option)
    if isinstance(moment, timedelta):
        raise UsageError(f'{option} "{text}" is not a time.', "Write a date, or a date and a time.")
    return moment


def _item_rows(made: Sequence[RecordedStatement]) -> Iterator[Mapping[str, object]]:
    for recorded in made:
        found = recorded.statement
        for one in found.currencies:
            for item in one.items:
                owner = found.owner_of(item)
                yield {
                    "account": found.account,
                    "currency": one.currency,
                    **item_json(item),
                    "amount_decimal": str(as_major(item.amount, item.currency)),
                    "owner": owner,
                }


def _write(found: Statement, head: Head, as_of: datetime) -> None:
    write_line(f"{statement_text.title(found)}.")
    write_line(statement_text.when(found, as_of))
    write_line(statement_text.WHAT_IT_IS)
    if not found.currencies:
        write_line("No payment of this period is known.")
    for one in found.currencies:
        write_line()
        unexplained = money_text(Money(one.unexplained, one.currency))
        write_line(f"{one.currency.upper()}: unexplained {unexplained}")
        write_pairs([*statement_text.figures(one), *statement_text.ageing(found, one)])
        for said in (statement_text.lost_webhooks(one), statement_text.subsequent(one)):
            if said:
                write_line(f"  {said}")
    if not found.is_complete:
        write_line()
        write_line(statement_text.days_not_examined(found))
        write_line(f"Their money is in no sum. Examine them with: {statement_text.EXAMINE}")
    write_line()
    write_line(statement_text.head_line(head))
