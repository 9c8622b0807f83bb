"""``pause`` and ``resume``: stop all writes to your rows at once, and let them begin again."""

from __future__ import annotations

import contextlib
from typing import Annotated, Final

import typer

from reconciler.adapters.postgres.coordination.pauses import PostgresPauses
from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.page.stored_facts import recheck_reported_findings
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.model.pause import Pause
from reconciler.engine.report import SweepReport
from reconciler.entrypoints.cli.arguments import AccountOption, ByOption, parse_name
from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings, parse_duration

PAUSE_KEPT_NOTHING: Final = "The pause holds back no correction of this sweep."
LONGEST_SECONDS: Final = 366 * 86_400.0


def pause(
    context: typer.Context,
    account: AccountOption = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="DURATION",
            help="How long to pause, such as 2h or 30m.  [default: until reconciler resume]",
        ),
    ] = None,
    by: ByOption = None,
) -> int:
    """Stop all writes to your rows at once, by the service and by every command.

    Sweeps go on, and record what they would correct as findings. When --for is over, writes begin again by themselves,
    and the service corrects what was only recorded with its next sweep. Needs no Stripe key. The ledger has an entry.
    """
    seconds = None
    if duration is not None:
        seconds = _seconds(duration)
    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    with _database(call) as database:
        for name in _accounts(call, account):
            begun = PostgresPauses(database, name).begin(seconds, asked_by)
            write_line(f"Account {name} is {begun.text}.")
    write_line(
        "Reconciler writes no row of this account. Sweeps go on, and record what they would correct."
    )
    return int(ExitCode.DONE)


def resume(context: typer.Context, account: AccountOption = None, by: ByOption = None) -> int:
    """Let your rows be written again after reconciler pause.

    What was only recorded meanwhile is due at once. Needs no Stripe key. The ledger has an entry.
    """
    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    with _database(call) as database:
        for name in _accounts(call, account):
            if not PostgresPauses(database, name).end(asked_by):
                write_line(f"Account {name} was not paused.")
                continue
            due = recheck_reported_findings(database, name)
            write_line(
                f"Account {name} is no longer paused. Findings to examine again now: {due:,}."
            )
    return int(ExitCode.DONE)


def note_pause(settings: Settings, report: SweepReport) -> None:
    """Say in the report that the account is paused, if nothing of this sweep had to wait for that. Raises the database's errors."""
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        row = PostgresStatus(database, report.account).pause()
    if row is not None:
        report.notes.append(f"Account {report.account} is {Pause(*row).text}. {PAUSE_KEPT_NOTHING}")


def _seconds(duration: str) -> float:
    seconds = 0.0
    with contextlib.suppress(ValueError):
        seconds = parse_duration(duration).total_seconds()
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UsageError(
            "--for is not a duration of at most a year.", "Write the duration as 2h, 30m or 1d."
        )
    return seconds


def _database(call: Invocation) -> Database:
    settings = call.settings(need_stripe=False, need_table=False)
    return Database(settings.database_url.get_secret_value(), size=1)


def _accounts(call: Invocation, only: str | None) -> list[str]:
    settings = call.settings(need_stripe=False, need_table=False)
    if only is not None:
        return [settings.account(only).name]
    return [one.name for one in settings.accounts]
