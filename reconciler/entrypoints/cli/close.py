"""``close``: people close a period, and see what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, assert_never

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.statement.period import Period
from reconciler.engine.actions.close_period import (
    CloseRefusedError,
    PeriodLedger,
    closing_of,
    prepare,
    reopen_period,
    sign,
)
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    JsonOption,
    chosen_accounts,
    parse_name,
)
from reconciler.entrypoints.cli.close_list import write_closings
from reconciler.entrypoints.cli.close_output import as_json, write_closing
from reconciler.entrypoints.cli.output import (
    moment_text,
    write_json,
)
from reconciler.entrypoints.cli.period_argument import (
    FirstDayOption,
    LastDayOption,
    PeriodArgument,
    parse_cutoff,
    parse_period,
)
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.entrypoints.login_user import login_user
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

CUTOFF_AFTER: Final = timedelta(days=5)
"""How long after the end of a period its money is looked at, unless --cutoff says otherwise."""


class Task(StrEnum):
    """What is to be done."""

    PREPARE = "--prepare"
    SIGN = "--sign"
    REOPEN = "--reopen"
    SHOW = "--show"
    DIFF = "--diff"
    LIST = "--list"


def close(
    context: typer.Context,
    period: PeriodArgument = None,
    first: FirstDayOption = None,
    last: LastDayOption = None,
    prepare_: Annotated[
        bool, typer.Option("--prepare", help="Prepare the period for another person to sign.")
    ] = False,
    sign_: Annotated[bool, typer.Option("--sign", help="Sign the prepared version.")] = False,
    reopen_: Annotated[
        bool,
        typer.Option(
            "--reopen", help="Open a prepared or signed period again. Give the reason with --note."
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Show the period's state, figures and steps. This is the default."
        ),
    ] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff",
            help="Show what has changed since the last version; exit with 1 if something has.",
        ),
    ] = False,
    list_: Annotated[
        bool,
        typer.Option("--list", help="List every closed period. Give no period with this option."),
    ] = False,
    cutoff: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With --prepare: the cut-off. The figures show the money as it stood at that "
            "time.  [default: 5 days after the period's end, or now]",
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A reason or a remark; the ledger keeps it.")
    ] = None,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Close a period: one person prepares it, and another one signs.

    A step that is refused exits with 1 and a code. What happens after the cut-off never changes a signed version. A fact
    that is dated before the cut-off and found later marks it as changed_since_signed. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    task = _task(
        {
            Task.PREPARE: prepare_,
            Task.SIGN: sign_,
            Task.REOPEN: reopen_,
            Task.SHOW: show,
            Task.DIFF: diff,
            Task.LIST: list_,
        }
    )
    _raise_if_contradictory(task, cutoff, note)
    call = invocation(context)
    by_name = AskedBy(call.asked_by, parse_name(by))
    settings = call.settings(need_stripe=False, need_table=False)
    if task is Task.LIST:
        if (period, first, last) != (None, None, None):
            raise UsageError("--list is about every period.", "Leave the period out.")
        return _list(settings, account, json=json)
    chosen = Period(*parse_period(period, first, last), settings.statement.zone)
    with open_audit(settings) as audit:
        names = chosen_accounts(audit.ledger.accounts(), account)
        if not names:
            raise UsageError(
                "no sweep has recorded anything yet, so there is nothing to close.",
                "Run a sweep that records its findings: reconciler sweep --kind window --record",
            )
        if len(names) > 1 and task not in (Task.SHOW, Task.DIFF):
            raise UsageError(
                f"{task} is about one account, but the ledger has {len(names)} accounts.",
                f"Name one account with --account: {', '.join(names)}.",
            )
        closings = []
        for name in names:
            work = _Work(call, settings, audit, name, chosen)
            try:
                work.do(task, by_name, cutoff, note)
            except CloseRefusedError as refused:
                if json:
                    write_json({"account": name, "refused": refused.code, "why": refused.what})
                raise
            closings.append((name, closing_of(work.ledger, chosen)))
    if json:
        write_json([as_json(name, one) for name, one in closings])
    else:
        for name, one in closings:
            write_closing(name, one)
    differs = task is Task.DIFF and any(one.changes for _, one in closings)
    return int(ExitCode.NO if differs else ExitCode.DONE)


def _list(settings: Settings, account: str | None, *, json: bool) -> int:
    from reconciler.engine.actions.closed_periods import closings
    from reconciler.wiring.audit import open_audit
    from reconciler.wiring.close import period_ledger

    with open_audit(settings) as audit:
        found = [
            (name, closing)
            for name in chosen_accounts(audit.ledger.accounts(), account)
            for closing in closings(period_ledger(audit.database, name))
        ]
    if json:
        write_json([as_json(name, one) for name, one in found])
    else:
        write_closings(found)
    return int(ExitCode.DONE)


def _task(wanted: Mapping[Task, bool]) -> Task:
    tasks = [task for task, is_wanted in wanted.items() if is_wanted]
    if len(tasks) > 1:
        raise UsageError(
            f"{tasks[0]} and {tasks[1]} contradict each other.", "Use one of the two options."
        )
    return tasks[0] if tasks else Task.SHOW


def _raise_if_contradictory(task: Task, cutoff: str | None, note: str | None) -> None:
    if cutoff is not None and task is not Task.PREPARE:
        raise UsageError(
            "--cutoff belongs to --prepare.",
            "Leave --cutoff out: a version keeps the cut-off that it was prepared with.",
        )
    if task is Task.REOPEN and not (note or "").strip():
        raise UsageError("--reopen needs a reason.", "Add --note TEXT.")
    if note is not None and task not in (Task.PREPARE, Task.REOPEN):
        raise UsageError("--note belongs to --prepare or --reopen.", "Leave --note out.")


class _Work:
    """A step about one account's period."""

    def __init__(
        self, call: Invocation, settings: Settings, audit: Audit, account: str, period: Period
    ) -> None:
        from reconciler.wiring.close import period_ledger

        self._call = call
        self._settings = settings
        self._period = period
        self.ledger: PeriodLedger = period_ledger(audit.database, account)

    def do(self, task: Task, by: AskedBy, cutoff: str | None, note: str | None) -> None:
        from reconciler.wiring.close import closer_of

        closer = closer_of(self._settings, by, f"os:{login_user()}")
        now = self._call.clock.now()
        match task:
            case Task.PREPARE:
                named = parse_cutoff(cutoff)
                if named is not None and named > now:
                    raise UsageError(
                        f'--cutoff "{cutoff}" is in the future.',
                        f"Give a time up to {moment_text(now)} UTC, or leave --cutoff out.",
                    )
                cut = (named or self._period.end + CUTOFF_AFTER).astimezone(UTC)
                prepare(self.ledger, self._period, cut, now, closer, note)
            case Task.SIGN:
                sign(self.ledger, self._period, now, closer)
            case Task.REOPEN:
                reopen_period(self.ledger, self._period, closer, note or "")
            case Task.SHOW | Task.DIFF | Task.LIST:
                pass
            case _:
                assert_never(task)
