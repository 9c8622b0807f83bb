"""``export``: writes discrepancies and the ledger into files, for finance and auditors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.entrypoints.cli.arguments import AccountOption, ExcelOption, chosen_accounts
from reconciler.entrypoints.cli.bundle_export import write_month_bundle
from reconciler.entrypoints.cli.discrepancy_csv import write_discrepancies_csv
from reconciler.entrypoints.cli.discrepancy_fields import as_json
from reconciler.entrypoints.cli.ledger_export import (
    HEAD_NAMES,
    LedgerExport,
    entry_line,
    write_entries_csv,
)
from reconciler.entrypoints.cli.output import takes_ascii_only, warn, write_csv
from reconciler.entrypoints.cli.sample_export import SampleRequest, write_sample
from reconciler.entrypoints.cli.written_file import new_text_file
from reconciler.entrypoints.invocation import invocation
from reconciler.entrypoints.quick_text import json_line
from reconciler.entrypoints.shown_text import json_text
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit


class ExportFormat(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    JSON = "json"


def export(
    context: typer.Context,
    export_format: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            metavar="jsonl|csv|json",
            help="jsonl is one file with a type on each line; csv is a folder with a file for each type. A sample is json or "
            "one file of csv.  [default: jsonl; json for --sample]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The file, or the folder for csv.  [default for one file: standard output]",
        ),
    ] = None,
    excel: ExcelOption = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a ZIP file with the statement of a month, its discrepancies, its ledger and a certificate.",
        ),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(metavar="MONTH", help="The month of --bundle or --sample, such as 2026-10."),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="The first day of --sample, in place of a month."
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="The last day of --sample, which is included."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            min=1,
            max=10_000,
            help="Draw so many corrections and discrepancies of a period for an auditor, each with its evidence.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="What --sample is drawn by: the same seed draws the same."
        ),
    ] = None,
    account: AccountOption = None,
) -> int:
    """Export discrepancies and the ledger.

    An auditor can recompute the ledger from the export. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    request = SampleRequest.of(sample, seed, month, first, last, account)
    _check(export_format, output, bundle, is_sample=request is not None)
    # an auditor has neither a Stripe key nor the mapping of the table
    call = invocation(context)
    settings = call.settings(need_stripe=False, need_table=False)
    is_csv = export_format is ExportFormat.CSV
    with open_audit(settings) as audit:
        if request is not None:
            write_sample(request, audit, settings, output, as_csv=is_csv, excel=excel)
        elif bundle is not None:
            is_complete = write_month_bundle(bundle, month, account, call, audit, settings)
            return int(ExitCode.DONE if is_complete else ExitCode.TEMPORARY)
        else:
            _write_all(audit, account, output, as_csv=is_csv, excel=excel)
    return int(ExitCode.DONE)


def _check(
    chosen: ExportFormat | None, output: Path | None, bundle: Path | None, *, is_sample: bool
) -> None:
    """Raises UsageError for options that do not go together."""
    if is_sample and bundle is not None:
        raise UsageError("--sample and --bundle are two exports.", "Make one after the other.")
    if is_sample and chosen is ExportFormat.JSONL:
        raise UsageError("--sample is one object.", "Choose --format json or csv.")
    if not is_sample and chosen is ExportFormat.JSON:
        raise UsageError("--format json is for --sample.", "Choose --format jsonl or csv.")
    if not is_sample and chosen is ExportFormat.CSV and output is None:
        raise UsageError("--format csv writes several files.", "Name a folder with --output.")


def _write_all(
    audit: Audit, account: str | None, output: Path | None, *, as_csv: bool, excel: bool
) -> None:
    accounts = chosen_accounts(audit.ledger.accounts(), account)
    if output is None:
        _write_lines(sys.stdout, audit, accounts, account)
    elif as_csv:
        _write_folder(output, audit, accounts, account, excel=excel)
    else:
        with new_text_file(output) as stream:
            _write_lines(stream, audit, accounts, account)


def _discrepancies(audit: Audit, account: str | None) -> Iterator[Mapping[str, object]]:
    with audit.discrepancies.reading(
        DiscrepancyFilter(account=account, sort=Sort.LAST_SEEN)
    ) as found:
        for item in found:
            yield as_json(item)


def _write_lines(
    stream: TextIO, audit: Audit, accounts: Sequence[str], account: str | None
) -> None:
    ledgers = LedgerExport(audit, accounts)
    ascii_only = takes_ascii_only(stream)

    def line(name: str, value: Mapping[str, object]) -> str:
        fields = {"type": name, **value}
        return (json_text(fields, ascii_only=True) if ascii_only else json_line(fields)) + "\n"

    stream.writelines(line("discrepancy", value) for value in _discrepancies(audit, account))
    stream.writelines(entry_line(entry, ascii_only=ascii_only) for entry in ledgers.entries())
    # last: the heads are known after every entry was read
    stream.writelines(line("ledger_head", value) for value in ledgers.heads)


def _write_folder(
    folder: Path, audit: Audit, accounts: Sequence[str], account: str | None, *, excel: bool
) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be created as a folder ({error.strerror}).",
            "Name another one with --output.",
        ) from None
    ledgers = LedgerExport(audit, accounts)
    writers: tuple[tuple[str, Callable[[TextIO], int]], ...] = (
        (
            "discrepancies",
            lambda stream: write_discrepancies_csv(
                _discrepancies(audit, account), stream, excel=excel
            ),
        ),
        ("ledger", lambda stream: write_entries_csv(ledgers.entries(), stream, excel=excel)),
        # last: the heads are known after every entry was read
        ("ledger_heads", lambda stream: write_csv(HEAD_NAMES, ledgers.heads, stream, excel=excel)),
    )
    for name, write in writers:
        path = folder / f"{name}.csv"
        with new_text_file(path) as stream:
            count = write(stream)
        warn(f"{path}: {count:,} lines")
