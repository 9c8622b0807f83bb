"""``statement``: what the table calls paid in a period, what Stripe received, and what explains the difference."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from reconciler.domain.money import as_major
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ExcelOption,
    JsonOption,
    chosen_accounts,
)
from reconciler.entrypoints.cli.output import takes_ascii_only, warn, write_csv, write_lines
from reconciler.entrypoints.cli.period_argument import (
    FirstDayOption,
    LastDayOption,
    PeriodArgument,
    parse_cutoff,
    parse_period,
    parse_time,
)
from reconciler.entrypoints.cli.plain_export import with_outputs, write_certificate
from reconciler.entrypoints.cli.written_file import new_file
from reconciler.entrypoints.invocation import invocation
from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.export_certificate import certificate_path
from reconciler.entrypoints.statement_files.origin import moment_word, origin_of
from reconciler.entrypoints.statement_files.statement_html import statement_html
from reconciler.entrypoints.statement_files.statement_json import as_json, item_json
from reconciler.entrypoints.statement_files.statement_lines import statement_lines
from reconciler.entrypoints.statement_files.statement_workbook import write_statement_workbook
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a period its money is looked at, unless --cutoff says otherwise."""
ITEM_NAMES: Final = (
    "account", "currency", "list", "subject", "kind", "severity", "reason", "state", "amount", "amount_decimal",
    "payment_created", "since", "owner", "part",
)  # fmt: skip
_CLOCKS_DIFFER_BY: Final = timedelta(hours=1)


class StatementFormat(StrEnum):
    """The format of a statement."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    XLSX = "xlsx"


def statement(
    context: typer.Context,
    period: PeriodArgument = None,
    first: FirstDayOption = None,
    last: LastDayOption = None,
    account: AccountOption = None,
    cutoff: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The cut-off. The statement shows the money as it stood at that time.  "
            "[default: 5 days after the period's end]",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Make the statement from what the ledger knew at this time."
        ),
    ] = None,
    output_format: Annotated[
        StatementFormat,
        typer.Option(
            "--format",
            metavar="text|json|csv|html|xlsx",
            help="text: for people. csv: the items of each sum, and what came after the cut-off. "
            "html: one page to read and print. xlsx: a workbook.",
        ),
    ] = StatementFormat.TEXT,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file to write; required for xlsx.  [default: standard output]"
        ),
    ] = None,
    excel: ExcelOption = False,
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
    now = call.clock.now()
    cut, known, shown = _moments(chosen, cutoff, as_of, now)
    chosen_format = StatementFormat.JSON if json else output_format
    if chosen_format is StatementFormat.XLSX and output is None:
        raise UsageError("--format xlsx writes a file.", "Name the file with --output.")
    with open_audit(settings) as audit:
        made = [
            audit.statement(name, chosen, cut, known, settings.review.materiality)
            for name in chosen_accounts(audit.ledger.accounts(), account)
        ]
        if not made:
            warn("No sweep has recorded anything yet, so no day was examined.")
            warn(
                "hint: Run a sweep that records its findings: reconciler sweep --kind window --record"
            )
            return int(ExitCode.TEMPORARY)
        words = ["statement", "--from", str(chosen.first), "--to", str(chosen.last)]
        words += ["--cutoff", moment_word(cut), "--as-of", moment_word(shown)]
        words += ["--account", account] if account else []
        origin = origin_of(call, settings, now, [*words, "--format", chosen_format.value])
        certificates = [Certificate(one.statement, one.head, shown, origin, {}) for one in made]
        if output is None:
            _write_text(sys.stdout, chosen_format, certificates, excel=excel)
        else:
            with new_file(output) as partial:
                write_statement(partial, chosen_format, certificates, audit, excel=excel)
            if chosen_format in (StatementFormat.CSV, StatementFormat.JSON):
                shapes = [with_outputs(one, output).as_json() for one in certificates]
                write_certificate(certificate_path(output), shapes)
    complete = all(one.statement.is_complete for one in made)
    return int(ExitCode.DONE if complete else ExitCode.TEMPORARY)


def write_statement(
    path: Path,
    chosen: StatementFormat,
    certificates: Sequence[Certificate],
    audit: Audit,
    *,
    excel: bool,
) -> None:
    """Write statements into one file, in the order of their certificates."""
    if chosen is StatementFormat.XLSX:
        corrections = (
            correction
            for one in certificates
            for correction in audit.corrections(
                one.statement.account, one.statement.period.start, one.statement.cut
            )
        )
        write_statement_workbook(path, certificates, corrections)
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        _write_text(stream, chosen, certificates, excel=excel)


def _write_text(
    out: TextIO, chosen: StatementFormat, certificates: Sequence[Certificate], *, excel: bool
) -> None:
    match chosen:
        case StatementFormat.JSON:
            values = [
                {
                    **as_json(one.statement, one.head, one.as_of),
                    "certificate": one.as_json(),
                }
                for one in certificates
            ]
            indent = 2 if out.isatty() else None
            out.write(json_text(values, indent=indent, ascii_only=takes_ascii_only(out)) + "\n")
        case StatementFormat.CSV:
            write_csv(ITEM_NAMES, item_rows(certificates), out, excel=excel)
        case StatementFormat.HTML:
            out.writelines(statement_html(certificates))
        case StatementFormat.TEXT | StatementFormat.XLSX:
            # a workbook is no text, and was written before
            write_lines(out, (line for one in certificates for line in statement_lines(one)))


def _moments(
    period: Period, cutoff: str | None, as_of: str | None, now: datetime
) -> tuple[datetime, datetime, datetime]:
    """As of when the money stands, until when the ledger is read, and the same as it is said to a person.

    The cut-off counts, or --as-of if that is earlier. Without --as-of the whole ledger is read.
    """
    cut = parse_cutoff(cutoff) or period.end + CUTOFF_AFTER
    known = parse_time(as_of, "--as-of")
    if known is None:
        # the database's clock may be ahead of this one
        return cut.astimezone(UTC), max(now, cut).astimezone(UTC) + _CLOCKS_DIFFER_BY, now
    return min(cut, known).astimezone(UTC), known.astimezone(UTC), known.astimezone(UTC)


def item_rows(certificates: Sequence[Certificate]) -> Iterator[Mapping[str, object]]:
    """The rows of the CSV, also those below materiality. ``list`` says in which sum of the statement a row is.

    ``explained``, ``opening`` and ``closing`` are those of JSON; the amount of ``after_cutoff`` is a change after it.
    ``part`` is what became of an item of the beginning, and when the payment of an item of the end was created.
    """
    for one in certificates:
        found = one.statement
        for currency in found.currencies:
            for item in currency.items:
                yield _row(found, currency, "explained", item_json(item), found.owner_of(item))
            for opened in currency.opening_items:
                fields = {
                    **item_json(opened.item),
                    "part": "carried" if opened.is_carried else "cleared",
                }
                yield _row(found, currency, "opening", fields, found.owner_of(opened.item))
            for item in currency.open_items:
                fields = {**item_json(item), "part": found.part_of(item).value}
                yield _row(found, currency, "closing", fields, found.owner_of(item))
            for event in currency.subsequent:
                subject, kind = event.name
                amount = event.amount_after - event.amount_before
                fields = {"subject": subject, "kind": kind, "state": event.state, "since": event.at}
                yield _row(found, currency, "after_cutoff", {**fields, "amount": amount})
            for later in currency.later:
                fields = {"subject": later.payment, "kind": later.figure.value, "since": later.at}
                yield _row(found, currency, "after_cutoff", {**fields, "amount": later.change})


def _row(
    found: Statement,
    currency: CurrencyStatement,
    name: str,
    fields: Mapping[str, object],
    owner: str | None = None,
) -> Mapping[str, object]:
    return {
        **dict.fromkeys(ITEM_NAMES),
        "account": found.account,
        "currency": currency.currency,
        "list": name,
        "owner": owner,
        **fields,
        "amount_decimal": as_major(int(str(fields["amount"])), currency.currency),
    }
