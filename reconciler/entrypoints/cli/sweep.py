"""``sweep``: makes one sweep now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    FormatOption,
    JsonOption,
    chosen_format,
    parse_intent_id,
    parse_name,
    time_range,
)
from reconciler.entrypoints.cli.output import warn, warn_of_error
from reconciler.entrypoints.cli.progress import showing_progress
from reconciler.entrypoints.cli.sweep_report import write_report
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Account, Settings


def sweep(
    context: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply", help="Correct your rows, and store the findings.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Store the findings, and change no row of yours.")
    ] = False,
    kind: Annotated[
        SweepKind,
        typer.Option(
            metavar="|".join(SweepKind),
            help="tail: payments that recent events name. due: every open payment. window: every payment that was "
            "created in a range of time.",
        ),
    ] = SweepKind.ALL,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what was created from this time on: a date, a time, or a duration before now such as 30d or 6h.  "
            "[default: every open payment; for window: sweep.horizon]",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what was created before this time.")
    ] = None,
    payment_intent: Annotated[
        list[str] | None,
        typer.Option(metavar="PI", help="Only this PaymentIntent; can be repeated."),
    ] = None,
    again: Annotated[
        int | None,
        typer.Option(
            metavar="SWEEP",
            min=1,
            help="Only the corrections of this sweep that were undone with revert: make them once more.",
        ),
    ] = None,
    account: AccountOption = None,
    by: ByOption = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if something disagrees.")
    ] = False,
    output_format: FormatOption = None,
    json: JsonOption = False,
) -> int:
    """Make one sweep now: a dry run without --apply or --record.

    Compares the payments of your table with Stripe. Shows what is, or would be, corrected, and what a person has to
    decide.
    """
    chosen = chosen_format(output_format, json)
    begin, end = time_range(since, until)
    intents = tuple(dict.fromkeys(parse_intent_id(text) for text in payment_intent or ()))
    if intents and (begin is not None or end is not None):
        raise UsageError(
            "--payment-intent cannot be combined with --since or --until.",
            "Use either single payments or a range of time.",
        )

    if again is not None and (intents or begin is not None or end is not None):
        raise UsageError(
            "--again cannot be combined with --payment-intent, --since or --until.",
            "It examines the payments of that sweep whose corrections were undone, and no others.",
        )

    call = invocation(context)
    request = SweepRequest(
        kind=kind,
        writing=Writing.ROWS if apply else Writing.FINDINGS if record else Writing.NOTHING,
        asked_by=call.asked_by,
        since=begin,
        until=end,
        intents=intents,
        claimed_by=parse_name(by),
        again=again,
    )
    settings = call.settings()
    accounts = _accounts(settings, account, again)
    reports = []
    for one in accounts:
        reports.append(_sweep(call, settings, one, request))
        if reports[-1].stopped is not None and reports[-1].failure is None:
            break  # a person interrupted it, and so does not want the sweep of the next account

    # a wrong argument may be seen only when Stripe's clock is known; it is then the only answer
    usage = next(
        (report.failure for report in reports if isinstance(report.failure, UsageError)), None
    )
    if usage is not None:
        raise usage
    write_report(reports, chosen)
    _report_early_ends(reports)
    return int(_exit_code(reports, asked=exit_code))


def _accounts(settings: Settings, named: str | None, again: int | None) -> tuple[Account, ...]:
    """The accounts to sweep: the named one, the one that made the sweep of --again, or all."""
    if again is not None:
        from reconciler.wiring.people import account_of_sweep

        return (account_of_sweep(settings, named, again),)
    return settings.accounts if named is None else (settings.account(named),)


def _sweep(
    call: Invocation, settings: Settings, account: Account, request: SweepRequest
) -> SweepReport:
    """One account's sweep. An error that prevents it is in its report, so that the other accounts are swept too."""
    from reconciler.wiring.account import open_account

    writes = request.writing is Writing.ROWS
    try:
        with (
            open_account(settings, account, call.clock, writes_rows=writes) as opened,
            showing_progress(account.name) as progress,
        ):
            if request.again is not None:
                from reconciler.engine.actions.again import request_again

                request = request_again(opened, request)
            return opened.sweep(request, progress)
    except ReconcilerError as error:
        report = SweepReport(
            account=account.name,
            kind=request.kind,
            mode=settings.corrections.mode,
            writing=request.writing,
            asked_by=request.asked_by,
            claimed_by=request.claimed_by,
        )
        report.stop(error)
        return report


def _report_early_ends(reports: Sequence[SweepReport]) -> None:
    """Write to standard error why a sweep ended early, because the report itself may go into a file."""
    for report in reports:
        if report.failure is not None:
            warn_of_error(report.failure, f"account {report.account}")
        elif report.stopped is not None:
            warn(f"reconciler: account {report.account}: {report.stopped}")


def _exit_code(reports: Sequence[SweepReport], *, asked: bool) -> ExitCode:
    # of several accounts the most severe code wins: 78 before 75
    failures = [report.failure.exit_code for report in reports if report.failure is not None]
    if failures:
        return max(failures)
    if not all(report.complete for report in reports):
        return ExitCode.TEMPORARY
    # what was corrected disagrees no longer
    disagreeing = sum(report.discrepancies.total() - report.corrected for report in reports)
    return ExitCode.NO if asked and disagreeing > 0 else ExitCode.DONE
