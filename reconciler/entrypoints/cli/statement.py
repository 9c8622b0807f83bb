"""``statement``: what the table calls paid in a period, what Stripe received, and what explains the difference."""

from __future__ import annotations

import calendar
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.domain.money import Money, decimals
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import ReconcilingItem
from reconciler.domain.statement.statement import (
    CurrencyStatement,
    Movement,
    Statement,
    statement_of,
)
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    JsonOption,
    chosen_accounts,
    parse_moment,
)
from reconciler.entrypoints.cli.output import (
    moment_text,
    money_text,
    warn,
    write_csv,
    write_json,
    write_line,
    write_pairs,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a period its money is looked at, unless --cutoff says otherwise."""
ITEM_NAMES: Final = (
    "account", "currency", "subject", "kind", "severity", "reason", "state", "amount", "payment_created", "since",
)  # fmt: skip
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_WHAT_IT_IS: Final = (
    "It compares your table with Stripe's payments. It does not compare either with the bank: fees, payouts and"
    " conversions are not in it."
)
_DAYS_NAMED: Final = 10


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

    settings = invocation(context).settings(need_stripe=False, need_table=False)
    days = _period(period, first, last)
    chosen = Period(*days, settings.statement.zone)
    cut = _cut(chosen, cutoff, as_of)
    with open_audit(settings) as audit:
        made = [
            _made(audit, name, chosen, cut)
            for name in chosen_accounts(audit.ledger.accounts(), account)
        ]
    if not made:
        warn("No sweep has recorded anything yet, so no day was examined.")
        warn("hint: Record what is found with: reconciler sweep --kind window --record")
        return int(ExitCode.TEMPORARY)
    match StatementFormat.JSON if json else output_format:
        case StatementFormat.JSON:
            write_json([as_json(*one) for one in made])
        case StatementFormat.CSV:
            write_csv(ITEM_NAMES, _item_rows(made), sys.stdout)
        case StatementFormat.TEXT:
            for found, head in made:
                _write(found, head)
    complete = all(found.is_complete for found, _ in made)
    return int(ExitCode.DONE if complete else ExitCode.TEMPORARY)


Head = tuple[int, str] | None


def _made(audit: Audit, account: str, period: Period, cut: datetime) -> tuple[Statement, Head]:
    records = audit.statement_records(account, period, cut)
    # days that were added up in another time zone are other days
    sweeps = [sweep for sweep in records.sweeps if sweep.timezone == str(period.zone)]
    return (
        statement_of(account, period, cut, sweeps, records.days, records.items),
        records.head,
    )


def _period(month: str | None, first: str | None, last: str | None) -> tuple[date, date]:
    """The first and the last day. Raises UsageError unless exactly a month or both days are given."""
    if month is not None and first is None and last is None:
        found = _MONTH.fullmatch(month)
        try:
            start = date(int(found[1]), int(found[2]), 1) if found else None
        except ValueError:
            start = None
        if start is None:
            raise UsageError(f'"{month}" is not a month.', "Write it as 2026-10.")
        return start, start.replace(day=calendar.monthrange(start.year, start.month)[1])
    if month is None and first is not None and last is not None:
        begin, end = _day(first, "--from"), _day(last, "--to")
        if begin > end:
            raise UsageError(f"--from {first} is after --to {last}.", "Exchange them.")
        return begin, end
    raise UsageError(
        "a statement is about one period.", "Name a month such as 2026-10, or --from and --to."
    )


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f'{option} "{text}" is not a date.', "Write it as 2026-10-31.") from None


def _cut(period: Period, cutoff: str | None, as_of: str | None) -> datetime:
    """The moment as of which the statement is made: the cut-off, or --as-of if that is earlier."""
    times = [_time(cutoff, "--cutoff") or period.end + CUTOFF_AFTER]
    if (known := _time(as_of, "--as-of")) is not None:
        times.append(known)
    return min(times).astimezone(UTC)


def _time(text: str | None, option: str) -> datetime | None:
    moment = parse_moment(text, option)
    if isinstance(moment, timedelta):
        raise UsageError(f'{option} "{text}" is not a time.', "Write a date, or a date and a time.")
    return moment


def as_json(found: Statement, head: Head) -> Mapping[str, object]:
    """The documented JSON shape of a statement. Amounts are minor units."""
    return {
        "account": found.account,
        "period": {
            "first": found.period.first.isoformat(),
            "last": found.period.last.isoformat(),
        },
        "timezone": str(found.period.zone),
        "as_of": found.cut,
        "complete": found.is_complete,
        "days_not_examined": [day.isoformat() for day in found.days_not_examined],
        "sweeps": [sweep.sweep for sweep in found.sweeps],
        "head": None if head is None else {"seq": head[0], "hash": head[1]},
        "currencies": [_currency_json(one) for one in found.currencies],
    }


def _currency_json(one: CurrencyStatement) -> Mapping[str, object]:
    return {
        "currency": one.currency,
        "exponent": decimals(one.currency),
        "local": one.local,
        "local_count": one.local_count,
        "stripe": one.stripe,
        "stripe_count": one.stripe_count,
        "refunded": one.refunded,
        "disputed": one.disputed,
        "difference": one.difference,
        "explained": one.explained,
        "unexplained": one.unexplained,
        "moved": one.moved,
        "waiting": one.waiting,
        "returned": one.returned,
        "unrelated": _movement(one.unrelated),
        "outside_mapping": _movement(one.outside_mapping),
        "opening": _movement(one.opening),
        "new": _movement(one.new),
        "cleared": _movement(one.cleared),
        "closing": _movement(one.closing),
        "items": [_item_json(item) for item in one.items],
    }


def _movement(movement: Movement) -> Mapping[str, int]:
    return {"count": movement.count, "amount": movement.amount}


def _item_json(item: ReconcilingItem) -> Mapping[str, object]:
    return {
        "subject": item.subject,
        "kind": item.kind,
        "severity": item.severity,
        "reason": item.reason,
        "state": item.state,
        "amount": item.amount,
        "payment_created": item.payment_created,
        "since": item.since,
    }


def _item_rows(made: Sequence[tuple[Statement, Head]]) -> Iterator[Mapping[str, object]]:
    for found, _ in made:
        for one in found.currencies:
            for item in one.items:
                yield {"account": found.account, "currency": one.currency, **_item_json(item)}


def _write(found: Statement, head: Head) -> None:
    period = found.period
    write_line(
        f"Account {found.account}, payments created from {period.first} to {period.last} ({period.zone}),"
        f" as of {moment_text(found.cut)}."
    )
    write_line(_WHAT_IT_IS)
    if not found.currencies:
        write_line("No payment of this period is known.")
    for one in found.currencies:
        _write_currency(one)
    if found.days_not_examined:
        named = ", ".join(str(day) for day in found.days_not_examined[:_DAYS_NAMED])
        more = len(found.days_not_examined) - _DAYS_NAMED
        write_line()
        write_line(f"Not examined: {named}{f' and {more} more days' if more > 0 else ''}.")
        write_line(
            "Their money is in no sum. Examine them with: reconciler sweep --kind window --record"
        )
    write_line()
    write_line(
        "The ledger holds no entry."
        if head is None
        else f"Made of the ledger up to entry {head[0]}, hash {head[1]}."
    )


def _write_currency(one: CurrencyStatement) -> None:
    def money(amount: int) -> str:
        return money_text(Money(amount, one.currency))

    write_line()
    write_line(f"{one.currency.upper()}: unexplained {money(one.unexplained)}")
    pairs = [
        ("Your table calls paid", f"{money(one.local)} (rows: {one.local_count:,})"),
        ("Stripe received", f"{money(one.stripe)} (payments: {one.stripe_count:,})"),
        ("Difference", money(one.difference)),
        ("Explained", money(one.explained)),
    ]
    by_kind: dict[str, Movement] = {}
    for item in one.items:
        by_kind[item.kind] = by_kind.get(item.kind, Movement()) + Movement(1, item.amount)
    pairs += [
        (f"  {kind}", f"{money(movement.amount)} (findings: {movement.count:,})")
        for kind, movement in sorted(by_kind.items())
    ]
    pairs += [
        (f"  {name}", money(amount))
        for name, amount in (
            ("created on another day here", one.moved),
            ("webhook may be on its way", one.waiting),
            ("nothing kept on either side", one.returned),
        )
        if amount
    ]
    pairs += [
        ("Of it refunded by Stripe", money(one.refunded)),
        ("Of it lost in disputes", money(one.disputed)),
        (
            "Open differences",
            (
                f"{money(one.opening.amount)} at the beginning, {money(one.new.amount)} new,"
                f" {money(one.cleared.amount)} cleared, {money(one.closing.amount)} at the end"
            ),
        ),
    ]
    if one.unrelated.count:
        pairs.append(
            (
                "Not of this table",
                f"{money(one.unrelated.amount)} (payments: {one.unrelated.count:,})",
            )
        )
    if one.outside_mapping.count:
        count = one.outside_mapping.count
        pairs.append(
            (
                "Rows outside the mapping",
                f"{money(one.outside_mapping.amount)} (payments: {count:,})",
            )
        )
    write_pairs(pairs)
