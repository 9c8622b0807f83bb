"""``sweep``: one sweep now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    FormatOption,
    JsonOption,
    chosen_format,
    intent_id,
    time_range,
)
from reconciler.entrypoints.cli.invocation import Invocation, invocation
from reconciler.entrypoints.cli.output import warn, warn_of
from reconciler.entrypoints.cli.progress import showing_progress
from reconciler.entrypoints.cli.sweep_report import write_report
from reconciler.errors import ExitCode, ReconcilerError, UsageError
from reconciler.settings import Account, Settings


def sweep(
    context: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply", help="Correct your rows, and store what was found.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Store what was found, and touch no row of yours.")
    ] = False,
    kind: Annotated[
        SweepKind,
        typer.Option(
            metavar="|".join(SweepKind),
            help="tail looks at what events name, due asks for every open row, window for everything created in "
            "a range of time.",
        ),
    ] = SweepKind.ALL,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what was created from then on: a date, a time, or a span back such as 30d or 6h. "
            "Without it: all open rows, and for the window the horizon.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was created before then.")
    ] = None,
    payment_intent: Annotated[
        list[str] | None,
        typer.Option(metavar="PI", help="Only this PaymentIntent; can be given several times."),
    ] = None,
    account: AccountOption = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 if something disagrees.")
    ] = False,
    form: FormatOption = None,
    json: JsonOption = False,
) -> int:
    """Make one sweep now: a dry run unless --apply or --record.

    Compare the open payments of your table, or all of a range of time, with Stripe; show what would be corrected and
    what a person has to decide on.
    """
    output = chosen_format(form, json)
    begin, end = time_range(since, until)
    intents = tuple(dict.fromkeys(intent_id(text) for text in payment_intent or ()))
    if intents and (begin is not None or end is not None):
        raise UsageError(
            "--payment-intent names single payments: --since and --until do not go with it.",
            "Leave one of them out.",
        )
    call = invocation(context)
    request = SweepRequest(
        kind=kind,
        writing=Writing.ROWS if apply else Writing.FINDINGS if record else Writing.NOTHING,
        asked_by=call.asked_by,
        since=begin,
        until=end,
        intents=intents,
    )
    settings = call.settings()
    accounts = settings.accounts if account is None else (settings.account(account),)
    reports = []
    for one in accounts:
        reports.append(_sweep(call, settings, one, request))
        if reports[-1].stopped is not None and reports[-1].failure is None:
            break  # it was interrupted: whoever did that does not want the next account begun
    usage = next(
        (report.failure for report in reports if isinstance(report.failure, UsageError)), None
    )
    if usage is not None:
        raise usage
    write_report(reports, output)
    _tell(reports)
    return int(_exit_code(reports, asked=exit_code))


def _sweep(
    call: Invocation, settings: Settings, account: Account, request: SweepRequest
) -> SweepReport:
    """One account's sweep. What keeps it from beginning is in its report too, so that the others have their turn."""
    from reconciler.wiring import open_account

    writes = request.writing is Writing.ROWS
    try:
        with (
            open_account(settings, account, call.clock, writes_rows=writes) as opened,
            showing_progress(account.name) as progress,
        ):
            return opened.sweep(request, progress)
    except ReconcilerError as error:
        report = SweepReport(
            account=account.name,
            kind=request.kind,
            mode=settings.corrections.mode,
            writing=request.writing,
            asked_by=request.asked_by,
        )
        report.stop(error)
        return report


def _tell(reports: Sequence[SweepReport]) -> None:
    """Why a sweep ended early stands on standard error as well: the report may have gone into a file."""
    for report in reports:
        if report.failure is not None:
            warn_of(report.failure, f"account {report.account}")
        elif report.stopped is not None:
            warn(f"reconciler: account {report.account}: {report.stopped}")


def _exit_code(reports: Sequence[SweepReport], *, asked: bool) -> ExitCode:
    failures = [report.failure.exit_code for report in reports if report.failure is not None]
    if failures:
        return max(failures)
    if not all(report.complete for report in reports):
        return ExitCode.TEMPORARY
    disagreeing = sum(report.discrepancies.total() - report.corrected for report in reports)
    return ExitCode.NO if asked and disagreeing > 0 else ExitCode.DONE
