"""``export``: writes discrepancies and the ledger into files, for finance and auditors."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.entrypoints.cli.arguments import AccountOption, ExcelOption, chosen_accounts
from reconciler.entrypoints.cli.bundle_export import BundleRequest, write_asked_bundle
from reconciler.entrypoints.cli.plain_export import PlainExport
from reconciler.entrypoints.cli.sample_export import SampleRequest, write_sample
from reconciler.entrypoints.invocation import invocation
from reconciler.entrypoints.statement_files.origin import origin_of
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    pass


class ExportFormat(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


def export(
    context: typer.Context,
    export_format: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            metavar="jsonl|csv|xlsx|json",
            help="jsonl: one file, with a type on each line. csv: a folder with a file for each "
            "type. xlsx: a workbook. A sample is json or one csv file.  [default: jsonl; json for --sample]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The file to write, or with csv the folder.  [default for one file: standard output]",
        ),
    ] = None,
    excel: ExcelOption = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a ZIP file with the statement of a period, its discrepancies, its ledger and a certificate.",
        ),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(metavar="MONTH", help="The month of --bundle or --sample, such as 2026-10."),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day, in place of a month."),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="The last day, which is included."),
    ] = None,
    cutoff: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With --bundle: the cut-off.  [default: that of the prepared version, or 5 days after the period's end]",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            min=1,
            max=10_000,
            help="Draw this many corrections and discrepancies of a period for an auditor, each with its evidence.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help=(
                "With --sample: a number that decides what is drawn. The same seed draws the same sample."
            ),
        ),
    ] = None,
    account: AccountOption = None,
) -> int:
    """Export discrepancies and the ledger.

    An auditor can recompute the ledger from the export. Beside a file stands its certificate: NAME.certificate.json says
    what is in it, which days no sweep examined, its SHA-256, and the command that makes it again. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    if bundle is None and cutoff is not None:
        raise UsageError("--cutoff works only with --bundle.", "Leave --cutoff out.")
    bundle_days = None if bundle is None or sample is not None else (first, last)
    sample_days = (first, last) if bundle_days is None else (None, None)
    request = SampleRequest.of(sample, seed, month, *sample_days, account)
    _check(export_format, output, bundle, is_sample=request is not None)
    # an auditor has neither a Stripe key nor the mapping of the table
    call = invocation(context)
    settings = call.settings(need_stripe=False, need_table=False)
    is_csv = export_format is ExportFormat.CSV
    with open_audit(settings) as audit:
        if request is not None:
            write_sample(request, audit, call, settings, output, as_csv=is_csv, excel=excel)
        elif bundle is not None:
            asked = BundleRequest(bundle, month, first, last, cutoff, account)
            is_complete = write_asked_bundle(asked, call, audit, settings)
            return int(ExitCode.DONE if is_complete else ExitCode.TEMPORARY)
        else:
            words = ["export", "--format", (export_format or ExportFormat.JSONL).value]
            words += ["--output", output.name] if output is not None else []
            words += ["--account", account] if account is not None else []
            words += ["--excel"] if excel else []
            plain = PlainExport(
                audit,
                chosen_accounts(audit.ledger.accounts(), account),
                account,
                origin_of(call, settings, call.clock.now(), words),
                quiet=call.quiet,
            )
            if output is not None and export_format is ExportFormat.XLSX:
                plain.write_workbook(output, settings)
            elif output is not None and is_csv:
                plain.write_folder(output, excel=excel)
            else:
                plain.write_lines(output)
    return int(ExitCode.DONE)


def _check(
    chosen: ExportFormat | None, output: Path | None, bundle: Path | None, *, is_sample: bool
) -> None:
    """Raises UsageError for options that do not go together."""
    if is_sample and bundle is not None:
        raise UsageError(
            "--sample and --bundle are two exports.", "Run the command once for each export."
        )
    if is_sample and chosen in (ExportFormat.JSONL, ExportFormat.XLSX):
        raise UsageError("--sample is one object.", "Choose --format json or csv.")
    if not is_sample and chosen is ExportFormat.JSON:
        raise UsageError("--format json is for --sample.", "Choose --format jsonl, csv or xlsx.")
    if not is_sample and chosen is ExportFormat.CSV and output is None:
        raise UsageError("--format csv writes several files.", "Name a folder with --output.")
    if chosen is ExportFormat.XLSX and bundle is None and output is None:
        raise UsageError("--format xlsx writes a file.", "Name the file with --output.")
