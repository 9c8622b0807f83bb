"""``status``: shows what the service does, and what needs a person, for each account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.clock import Clock
from reconciler.engine.health.remarks import Check, Remark, remarks
from reconciler.engine.health.status import AccountStatus, Expectations, StatusLevel
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.cli.status_json import as_json
from reconciler.entrypoints.cli.status_nagios import write_nagios
from reconciler.entrypoints.cli.status_text import write_status
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact
from reconciler.settings import Settings


class StatusFormat(StrEnum):
    """The output format of the status."""

    TEXT = "text"
    JSON = "json"
    NAGIOS = "nagios"


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is to be shown, and how."""

    output_format: StatusFormat
    check: Check | None
    exit_code: bool


def status(
    context: typer.Context,
    output_format: Annotated[
        StatusFormat | None,
        typer.Option(
            "--format", metavar="text|json|nagios", help="The output format.  [default: text]"
        ),
    ] = None,
    json: JsonOption = False,
    account: AccountOption = None,
    check: Annotated[
        Check | None,
        typer.Option(
            metavar="health|findings",
            help=(
                "health: only remarks about Reconciler's own work. findings: only remarks about "
                "payments. The output is a Nagios check, unless you give --format."
            ),
        ),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=86_400,
            metavar="SECONDS",
            help="Show the status again every so many seconds, until you press Ctrl-C.",
        ),
    ] = None,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit with 1 if a remark is a warning or critical."),
    ] = False,
) -> int:
    """Show each account's process, its last sweeps, and what needs a person.

    Reads only the database. With --format nagios the exit code is 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN).
    """
    if json and output_format not in (None, StatusFormat.JSON):
        raise UsageError(
            f"--json and --format {output_format} contradict each other.",
            "Use one of the two options.",
        )
    default = StatusFormat.TEXT if check is None else StatusFormat.NAGIOS
    chosen = StatusFormat.JSON if json else output_format or default
    if watch is not None and chosen is not StatusFormat.TEXT:
        raise UsageError("--watch is for eyes.", "Leave out --json, --format and --check.")
    shown = _Shown(chosen, check, exit_code)
    call = invocation(context)
    try:
        # a monitor has no Stripe key
        settings = call.settings(need_stripe=False)
        if watch is not None:
            from reconciler.entrypoints.cli import watched_status

            return watched_status.watch(
                call.clock,
                watch,
                lambda: _read(settings, call.clock, account),
                lambda state: _show(settings, state, shown),
            )
        return _show(settings, _read(settings, call.clock, account), shown)
    except ReconcilerError as error:
        if chosen is not StatusFormat.NAGIOS:
            raise
        # a monitor reads standard output and the exit code only
        write_line(f"{_name(check)} UNKNOWN - {' '.join(redact(str(error)).split())}")
        return int(StatusLevel.UNKNOWN)


_State = tuple[tuple[AccountStatus, ...], Mapping[str, Expectations]]
"""The status of each account, and what the configuration promises for it."""


def _show(settings: Settings, state: _State, shown: _Shown) -> int:
    statuses, expected = state
    remarks_of = {
        one.account: _chosen(remarks(one, expected[one.account]), shown.check) for one in statuses
    }
    several = len(settings.accounts) > 1
    named = {one.account: one.account if several else None for one in statuses}
    match shown.output_format:
        case StatusFormat.TEXT:
            for number, one in enumerate(statuses):
                if number:
                    write_line()
                write_status(
                    one, remarks_of[one.account], expected[one.account], named[one.account]
                )
        case StatusFormat.JSON:
            write_json(
                [
                    as_json(one, remarks_of[one.account], expected[one.account], named[one.account])
                    for one in statuses
                ]
            )
        case StatusFormat.NAGIOS:
            return write_nagios(_name(shown.check), statuses, remarks_of, expected)
    has_remark = any(remarks_of.values())
    return int(ExitCode.NO if shown.exit_code and has_remark else ExitCode.DONE)


def _name(check: Check | None) -> str:
    return "RECONCILER" if check is None else f"RECONCILER {check.value.upper()}"


def _chosen(found: tuple[Remark, ...], check: Check | None) -> tuple[Remark, ...]:
    return tuple(remark for remark in found if check in (None, remark.check))


def _read(settings: Settings, clock: Clock, account: str | None) -> _State:
    from reconciler.entrypoints.service.status_queries import expectations, read_statuses

    if account is not None:
        settings.account(account)  # raises UsageError if there is no such account
    statuses = read_statuses(settings, clock, account)
    return statuses, {one.account: expectations(settings, one) for one in statuses}
