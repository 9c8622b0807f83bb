"""``reopen``: a person opens settled or reverted discrepancies again."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.entrypoints.cli.arguments import AccountOption, ByOption, JsonOption, parse_name
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode


def reopen(
    context: typer.Context,
    discrepancy: Annotated[
        list[int], typer.Argument(metavar="ID…", min=1, help="The numbers of the discrepancies.")
    ],
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Open discrepancies again that a person settled, or whose correction a person undid.

    Ends an acceptance and a revert: the next sweep decides about the payment anew, and a sweep with --apply may correct
    it.
    """
    from reconciler.engine.actions.reopen import reopen_discrepancies
    from reconciler.wiring.account import open_account
    from reconciler.wiring.people import account_of_discrepancy

    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    settings = call.settings()
    chosen = account_of_discrepancy(settings, account, discrepancy[0])
    with open_account(settings, chosen, call.clock) as opened:
        done = reopen_discrepancies(opened, discrepancy, asked_by)
    if json:
        write_json([{"id": item.id, "state": "open", "before": item.state} for item in done])
    else:
        for item in done:
            name = item.payment_intent or ", ".join(item.keys)
            write_line(f"Discrepancy {item.id} ({item.kind.value}, {name}) is open again.")
        write_line("To decide again, run: reconciler sweep --apply")
    return int(ExitCode.DONE)
