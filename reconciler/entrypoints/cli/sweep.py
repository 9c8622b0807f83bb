"""``sweep``: makes one sweep now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from reconciler.domain.audit.ledger_entry import LedgerHead
from reconciler.engine.report import PAUSED_NOTE, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.review import Review
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    FormatOption,
    JsonOption,
    OutputFormat,
    chosen_format,
    parse_intent_id,
    parse_name,
    time_range,
)
from reconciler.entrypoints.cli.output import warn, warn_of_error
from reconciler.entrypoints.cli.preview import PreviewWriter
from reconciler.entrypoints.cli.progress import showing_progress
from reconciler.entrypoints.cli.sweep_command import SweepCommand
from reconciler.entrypoints.cli.sweep_exit_code import exit_code_of
from reconciler.entrypoints.cli.sweep_report import write_report
from reconciler.entrypoints.cli.terminal_requester import TerminalRequester
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.errors import BrakeError, ReconcilerError, UsageError
from reconciler.settings import Account, Settings

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount

log = structlog.stdlib.get_logger()


def sweep(
    context: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply", help="Correct your rows, and store the findings.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Store the findings, but change no row of your table.")
    ] = False,
    only: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --apply: examine only the payments of this preview (a file from --format "
            "csv or json), and write only what the file says.",
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help=(
                "With --apply: do not stop to ask before many corrections (more than 500, or "
                "more than a tenth of the examined rows)."
            ),
        ),
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
            help="Only payments created at this time or later: a date, a time, or a duration before now such as 30d or 6h.  "
            "[default: every open payment; for window: sweep.horizon]",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only payments created before this time.")
    ] = None,
    payment_intent: Annotated[
        list[str] | None,
        typer.Option(metavar="PI", help="Examine only this PaymentIntent. Can be repeated."),
    ] = None,
    again: Annotated[
        int | None,
        typer.Option(
            metavar="SWEEP",
            min=1,
            help="Make only those corrections of this sweep once more that were undone with revert.",
        ),
    ] = None,
    account: AccountOption = None,
    by: ByOption = None,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit with 1 if your table and Stripe disagree about a payment."
        ),
    ] = False,
    output_format: FormatOption = None,
    json: JsonOption = False,
) -> int:
    """Make one sweep now. It only shows what it finds, unless you give --apply or --record.

    Compares the payments of your table with Stripe. Shows what is, or would be, corrected, and what a person has to
    decide.
    """
    chosen = chosen_format(output_format, json)
    begin, end = time_range(since, until)
    intents = tuple(dict.fromkeys(parse_intent_id(text) for text in payment_intent or ()))
    if intents and (begin is not None or end is not None):
        raise UsageError(
            "--payment-intent cannot be combined with --since or --until.",
            "Name single payments, or a range of time, but not both.",
        )
    if yes and not apply:
        raise UsageError("--yes needs --apply.", "A sweep without --apply corrects nothing.")

    if again is not None and (intents or begin is not None or end is not None):
        raise UsageError(
            "--again cannot be combined with --payment-intent, --since or --until.",
            "--again examines only those payments of the sweep whose corrections were undone.",
        )

    call = invocation(context)
    command = SweepCommand(
        call.config, kind, since, until, intents, account, by, only, applies=apply, again=again
    )
    _raise_if_only_is_combined(command, apply=apply)
    request = SweepRequest(
        kind=kind,
        writing=Writing.ROWS if apply else Writing.FINDINGS if record else Writing.NOTHING,
        asked_by=call.asked_by,
        since=begin,
        until=end,
        intents=intents,
        claimed_by=parse_name(by),
        again=again,
        approved=yes,
    )
    settings = call.settings()
    accounts = _accounts(settings, account, again, intents)
    requests = _requests(request, accounts, only)
    reports = sweep_all(call, settings, requests, command, chosen)
    return int(exit_code_of(reports, asked=exit_code, wanted=request.writing))


def _raise_if_only_is_combined(command: SweepCommand, *, apply: bool) -> None:
    if command.only is None:
        return
    if not apply:
        raise UsageError("--only needs --apply.", f"Write: {command.text('--apply')}")
    has_range = command.since is not None or command.until is not None
    if command.payment_intents or command.again or has_range or command.kind is not SweepKind.ALL:
        raise UsageError(
            "--only cannot be combined with --again, --kind, --since, --until or --payment-intent.",
            "The file of --only says which payments are examined.",
        )


def _requests(
    request: SweepRequest, accounts: Sequence[Account], only: Path | None
) -> Mapping[Account, SweepRequest]:
    """The request of each account that is to be swept. With --only, accounts without a line are left out."""
    if only is None:
        return dict.fromkeys(accounts, request)
    from reconciler.entrypoints.cli.review_file import read_reviews

    reviews: Mapping[str, Review] = read_reviews(only, [one.name for one in accounts])
    return {
        one: replace(request, review=reviews[one.name]) for one in accounts if one.name in reviews
    }


def sweep_all(
    call: Invocation,
    settings: Settings,
    requests: Mapping[Account, SweepRequest],
    command: SweepCommand,
    chosen: OutputFormat,
) -> list[SweepReport]:
    """Sweep each account, and write the report. Raises UsageError if only Stripe's clock shows a wrong argument."""
    preview = PreviewWriter(chosen)
    reports = []
    for one, request in requests.items():
        report = _sweep(call, settings, one, request, preview)
        if isinstance(report.failure, BrakeError):
            # the engine does not know the command line
            allow = command.text("--apply", "--yes", account=_name(one, settings))
            report.stop(
                BrakeError(report.failure.what, f"If the corrections are right, run: {allow}")
            )
        reports.append(report)
        if report.stopped is not None and report.failure is None:
            break  # a person interrupted it, and so does not want the sweep of the next account

    # a wrong argument may be seen only when Stripe's clock is known; it is then the only answer
    usage = next(
        (report.failure for report in reports if isinstance(report.failure, UsageError)), None
    )
    if usage is not None:
        raise usage
    write_report(reports, chosen, preview, command)
    if chosen is OutputFormat.TABLE and settings.delivery.url is not None:
        from reconciler.entrypoints.cli.delivery_notice import write_delivery_notices

        write_delivery_notices(settings, [one.account for one in reports if one.corrected])
    _report_early_ends(reports)
    lines = sum(report.line_count for report in reports)
    if chosen is not OutputFormat.TABLE and preview.count < lines:
        raise ReconcilerError(
            f"The preview is not complete: the service passed on only {preview.count:,} of its {lines:,} lines.",
            f"Preview a shorter range at a time: {_shorter(command, chosen)}",
        )
    return reports


def _shorter(command: SweepCommand, chosen: OutputFormat) -> str:
    """The command that previews a part. The service hands over a report that its database row can hold."""
    part = replace(command, kind=SweepKind.WINDOW, since="TIME", until="TIME", payment_intents=())
    return part.text("--format", chosen.value)


def _name(account: Account, settings: Settings) -> str | None:
    """The account as a hint has to name it: not at all if there is only one."""
    return account.name if len(settings.accounts) > 1 else None


def _accounts(
    settings: Settings, named: str | None, again: int | None, intents: tuple[str, ...]
) -> tuple[Account, ...]:
    """The accounts to sweep: the named one, the one that made the sweep of --again or has the payments, or all."""
    if again is not None:
        from reconciler.wiring.people import account_of_sweep

        return (account_of_sweep(settings, named, again),)
    if named is not None:
        return (settings.account(named),)
    if intents and len(settings.accounts) > 1:
        # another account does not know them, and would spend reads to say so
        from reconciler.wiring.payment_finder import accounts_of_intents

        return accounts_of_intents(settings, intents)
    return settings.accounts


def _sweep(
    call: Invocation,
    settings: Settings,
    account: Account,
    request: SweepRequest,
    preview: PreviewWriter,
) -> SweepReport:
    """One account's sweep. An error that prevents it is in its report, so that the other accounts are swept too."""
    from reconciler.wiring.account import open_account

    writes = request.writing is Writing.ROWS
    try:
        with (
            open_account(settings, account, call.clock, writes_rows=writes) as opened,
            showing_progress(account.name, quiet=call.quiet) as display,
        ):
            if request.again is not None:
                from reconciler.engine.actions.again import request_again

                request = request_again(opened, request)
            requester = TerminalRequester(account.name, display, preview)
            report = opened.sweep(request, display, requester)
            if isinstance(report.failure, BrakeError) and _allows(report.failure, requester):
                report = opened.sweep(replace(request, approved=True), display, requester)
            try:
                _add_notes(settings, opened, request, report)
            except ReconcilerError as error:
                # what the sweep has done is known, and must be reported all the same
                report.notes.append(f"Reconciler could not read what else to note here: {error}")
            if report.ledger_head is not None:
                _anchor(call, settings, opened, report, report.ledger_head)
            return report
    except ReconcilerError as error:
        report = SweepReport.of(request, account.name, settings.corrections.mode)
        report.stop(error)
        return report


def _add_notes(
    settings: Settings, opened: OpenAccount, request: SweepRequest, report: SweepReport
) -> None:
    """Add to the report what the database says beside it. Raises the database's errors."""
    mapped = None if request.names_intents else settings.payments
    is_due = request.kind is SweepKind.DUE
    if is_due and mapped is not None and (mapped.links or not report.examined):
        from reconciler.entrypoints.cli.rows_without_intent import note_rows_without_intent

        note_rows_without_intent(opened, mapped, report)
    # a correction shows that there is no pause, and one that waits has its own note
    is_noted = report.corrected or report.failure or PAUSED_NOTE in report.notes
    if request.writing is Writing.ROWS and not is_noted:
        from reconciler.entrypoints.cli.pause import note_pause

        note_pause(settings, report)
    if report.refused:
        from reconciler.entrypoints.cli.refusal_notes import note_refusals

        note_refusals(settings, report)


def _anchor(
    call: Invocation,
    settings: Settings,
    opened: OpenAccount,
    report: SweepReport,
    head: LedgerHead,
) -> None:
    """Note the ledger's head outside the database. A failure is told, and does not change the sweep."""
    log.info("ledger.head", account=report.account, seq=head.seq, hash=head.hash)
    if not settings.ledger.is_used:
        return
    from reconciler.wiring.anchoring import anchor_head

    stopping = opened.limits.rate_limiter.stopping
    error = anchor_head(settings.ledger, report.account, head, call.clock, stopping)
    if error is not None:
        warn_of_error(error, f"account {report.account}")
        if report.sweep is not None:
            opened.ports.store.note_anchor_error(report.sweep, str(error))


def _allows(stop: BrakeError, requester: TerminalRequester) -> bool:
    """Whether the person allows what the service was not allowed. It could not ask them."""
    return not requester.was_asked and requester.confirms(f"{stop.what} Go on?")


def _report_early_ends(reports: Sequence[SweepReport]) -> None:
    """Write to standard error why a sweep ended early, because the report itself may go into a file."""
    for report in reports:
        if report.failure is not None:
            warn_of_error(report.failure, f"account {report.account}")
        elif report.stopped is not None:
            warn(f"reconciler: account {report.account}: {report.stopped}")
