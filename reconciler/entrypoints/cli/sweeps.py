"""``sweeps``: lists the sweeps that were made, and shows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

import typer

from reconciler.domain.model.listed_sweep import ListedCorrection, SweepSummary
from reconciler.domain.money import Money
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    moment_text,
    money_text,
    non_empty,
    write_json,
    write_line,
    write_pairs,
    write_table,
)
from reconciler.entrypoints.cli.selection import command_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

USUAL_LIMIT: Final = 50


def _result(one: SweepSummary) -> str:
    if one.finished_at is None:
        return "not finished"
    return "complete" if one.complete else "incomplete"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


_COLUMNS: Final = (
    OutputColumn[SweepSummary]("id", lambda one: str(one.id), right=True),
    OutputColumn[SweepSummary]("account", lambda one: one.account),
    OutputColumn[SweepSummary]("kind", lambda one: one.kind),
    OutputColumn[SweepSummary]("mode", lambda one: one.mode),
    OutputColumn[SweepSummary]("applied", lambda one: "yes" if one.applied else "no"),
    OutputColumn[SweepSummary]("asked by", lambda one: one.asked_by),
    OutputColumn[SweepSummary]("started", lambda one: moment_text(one.started_at)),
    OutputColumn[SweepSummary]("result", _result),
    OutputColumn[SweepSummary]("reads", lambda one: _number(one.reads), right=True),
    OutputColumn[SweepSummary]("examined", lambda one: _number(one.examined), right=True),
    OutputColumn[SweepSummary]("corrected", lambda one: _number(one.corrected), right=True),
    OutputColumn[SweepSummary]("reverted", lambda one: _number(one.reverted), right=True),
    OutputColumn[SweepSummary]("revertible", lambda one: _number(one.revertible), right=True),
)


def _amount(one: ListedCorrection) -> str:
    if one.amount is None or one.currency is None:
        return ""
    return money_text(Money(one.amount, one.currency))


_CORRECTED: Final = (
    OutputColumn[ListedCorrection]("at", lambda one: moment_text(one.at)),
    OutputColumn[ListedCorrection]("payment", lambda one: one.payment),
    OutputColumn[ListedCorrection]("order", lambda one: one.order or ""),
    OutputColumn[ListedCorrection]("payment intent", lambda one: one.payment_intent),
    OutputColumn[ListedCorrection]("amount", _amount, right=True),
    OutputColumn[ListedCorrection]("from", lambda one: one.status_before or ""),
    OutputColumn[ListedCorrection]("to", lambda one: one.status_after or ""),
    OutputColumn[ListedCorrection]("reverted", lambda one: "yes" if one.reverted else ""),
)


def sweeps(
    context: typer.Context,
    sweep: Annotated[
        int | None, typer.Argument(metavar="[SWEEP]", min=1, help="Show only this sweep.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=1, help="List at most this many sweeps, the newest first."
        ),
    ] = USUAL_LIMIT,
    account: AccountOption = None,
    json: JsonOption = False,
) -> int:
    """List sweeps, the newest first: who asked for each, what it corrected, and what can be taken back.

    With SWEEP the corrected rows are listed. Writes of resolve --accept belong to no sweep: discrepancies --state corrected
    lists every correction with the person who made it.

    Needs only the database. Housekeeping deletes sweeps of more than 90 days ago that stored nothing.
    """
    from reconciler.adapters.postgres.audit.sweep_list import listed_corrections, listed_sweeps
    from reconciler.wiring.audit import open_audit

    call = invocation(context)
    with open_audit(call.settings(need_stripe=False, need_table=False)) as audit:
        found = listed_sweeps(audit.database, account, sweep, limit)
        corrected = (
            listed_corrections(audit.database, found[0].account, sweep)
            if sweep is not None and found
            else ()
        )
    if sweep is not None and not found:
        raise UsageError(f"There is no sweep {sweep}.", "List them with: reconciler sweeps")
    if json:
        listed = [as_json(one) for one in found]
        corrections = [asdict(one) for one in corrected]
        write_json({**listed[0], "corrections": corrections} if sweep is not None else listed)
    elif sweep is not None:
        one = found[0]
        pairs = [(column.title, column.text(one)) for column in _COLUMNS]
        write_pairs([*pairs, ("finished", moment_text(one.finished_at))])
        if corrected:
            write_line("")
            write_table(non_empty(_CORRECTED, corrected), corrected)
        if one.revertible:
            write_line(
                f"To undo the corrections: {command_line(call.config, 'revert', str(one.id))}"
            )
    elif found:
        write_table(non_empty(_COLUMNS, found), found)
    else:
        write_line("There are no sweeps.")
    return int(ExitCode.DONE)


def as_json(one: SweepSummary) -> Mapping[str, object]:
    """The documented shape of a sweep in a list."""
    return asdict(one)
