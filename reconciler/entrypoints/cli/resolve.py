"""``resolve``: a person settles a discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.engine.actions.resolve import Resolution
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    JsonOption,
    parse_name,
)
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact


class AcceptedSide(StrEnum):
    """The side whose outcome is accepted."""

    STRIPE = "stripe"


def resolve(
    context: typer.Context,
    discrepancy: Annotated[
        int, typer.Argument(metavar="ID", min=1, help="The discrepancy's number.")
    ],
    note: Annotated[str, typer.Option(metavar="TEXT", help="The reason; the ledger keeps it.")],
    accept: Annotated[
        AcceptedSide | None,
        typer.Option(
            metavar="stripe", help="Write Stripe's outcome to the row, although the rules do not."
        ),
    ] = None,
    ignore: Annotated[
        bool,
        typer.Option(
            "--ignore", help="Set the state to ignored (it does not matter) instead of resolved."
        ),
    ] = False,
    row: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="With --accept: which of several rows is meant."),
    ] = None,
    amount_differs: Annotated[
        bool,
        typer.Option(
            "--amount-differs",
            help="With --accept: accept that Stripe's amount is not the row's. The row keeps its amount.",
        ),
    ] = False,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Settle a discrepancy, as a person.

    It stays settled until a value of either side changes. With --accept stripe, Reconciler writes Stripe's current
    outcome to the row, as safely as any correction.
    """
    from reconciler.engine.actions.accept import AcceptedBy
    from reconciler.engine.actions.resolve import resolve_discrepancy
    from reconciler.wiring.account import open_account
    from reconciler.wiring.people import account_of_discrepancy

    if not note.strip():
        raise UsageError("--note is empty.", "Write in a few words why.")
    if ignore and accept is not None:
        raise UsageError("--ignore and --accept contradict each other.", "Use only one of them.")

    if accept is None and (row is not None or amount_differs):
        raise UsageError("--row and --amount-differs belong to --accept.", "Add --accept stripe.")

    # without --accept nothing is written to the merchant's table, so no privilege for that is needed
    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    settings = call.settings()
    chosen, writes = account_of_discrepancy(settings, account, discrepancy), accept is not None
    with open_account(settings, chosen, call.clock, writes_rows=writes) as opened:
        done = resolve_discrepancy(
            opened,
            discrepancy,
            # a note may quote what was pasted by mistake, and the ledger keeps it
            AcceptedBy(asked_by, redact(note.strip()), row, amount_differs),
            accept_stripe=writes,
            ignore=ignore,
        )
    if json:
        write_json(_as_json(done))
    else:
        _write(done)
    return int(ExitCode.DONE)


def _as_json(done: Resolution) -> Mapping[str, object]:
    return {
        "id": done.discrepancy.id,
        "state": done.state,
        "payment": done.key,
        "from_status": done.from_status,
        "to_status": done.to_status,
        "remark": done.remark,
    }


def _write(done: Resolution) -> None:
    found = done.discrepancy
    name = found.payment_intent or ", ".join(found.keys)
    write_line(f"Discrepancy {found.id} ({found.kind.value}, {name}) is {done.state.value}.")
    if done.key is not None:
        write_line(f"Row {done.key} was changed from {done.from_status!r} to {done.to_status!r}.")
    if done.remark is not None:
        write_line(done.remark)
