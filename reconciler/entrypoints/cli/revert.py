"""``revert``: undoes the corrections of a sweep."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.engine.actions.revert import Reverted, Skipped, revert_sweep
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    JsonOption,
    parse_name,
)
from reconciler.entrypoints.cli.output import OutputColumn, write_json, write_line, write_table
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode

_SKIPPED: Final = (
    OutputColumn[Skipped]("payment", lambda item: item.key),
    OutputColumn[Skipped]("payment_intent", lambda item: item.payment_intent),
    OutputColumn[Skipped]("why", lambda item: item.why),
)


def revert(
    context: typer.Context,
    sweep: Annotated[int, typer.Argument(metavar="SWEEP", min=1, help="The number of the sweep.")],
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Undo a sweep's corrections.

    Each column that the sweep wrote gets its earlier value: the status, the PaymentIntent, and the columns of
    payments.set. A row that was changed since is left as it is, and the command then exits with 1.
    """
    from reconciler.wiring.account import open_account
    from reconciler.wiring.people import account_of_sweep

    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    settings = call.settings()
    chosen = account_of_sweep(settings, account, sweep)
    with open_account(settings, chosen, call.clock, writes_rows=True) as opened:
        done = revert_sweep(opened, sweep, asked_by)

    if json:
        write_json(
            {
                "sweep": done.sweep,
                "reverted": done.reverted,
                "skipped": [
                    {"payment": item.key, "payment_intent": item.payment_intent, "why": item.why}
                    for item in done.skipped
                ],
            }
        )
    else:
        _write(done)
    return int(ExitCode.NO if done.skipped else ExitCode.DONE)


def _write(done: Reverted) -> None:
    write_line(f"Sweep {done.sweep}: {done.reverted:,} corrections were undone.")
    if done.skipped:
        write_line()
        write_line("Rows whose corrections were not undone:")
        write_table(_SKIPPED, done.skipped)
