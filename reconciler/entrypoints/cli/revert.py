"""``revert``: undoes the corrections of a sweep."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.money import Money
from reconciler.engine.actions.revert import Reverted, Skipped, Undone, revert_sweep
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ByOption,
    JsonOption,
    parse_name,
)
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    money_text,
    non_empty,
    write_json,
    write_line,
    write_table,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode

_MOST_SHOWN: Final = 200
_UNDONE: Final = (
    OutputColumn[Undone]("payment", lambda item: item.key),
    OutputColumn[Undone]("order", lambda item: item.order or ""),
    OutputColumn[Undone]("payment_intent", lambda item: item.payment_intent),
    OutputColumn[Undone]("was", lambda item: item.before or ""),
    OutputColumn[Undone]("is now", lambda item: item.status or ""),
    OutputColumn[Undone](
        "amount",
        lambda item: (
            "" if item.amount is None else money_text(Money(item.amount, item.currency or "xxx"))
        ),
        right=True,
    ),
)
_SKIPPED: Final = (
    OutputColumn[Skipped]("payment", lambda item: item.key),
    OutputColumn[Skipped]("payment_intent", lambda item: item.payment_intent),
    OutputColumn[Skipped]("why", lambda item: item.why),
)


def revert(
    context: typer.Context,
    sweep: Annotated[int, typer.Argument(metavar="SWEEP", min=1, help="The number of the sweep.")],
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Undo only the correction of the row with this key. Can be repeated.",
        ),
    ] = None,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Undo a sweep's corrections.

    Each column that the sweep wrote gets its earlier value: the status, the PaymentIntent, and the columns of
    payments.set. payments.updated gets the current time. A row that was changed since is left as it is, and the command then exits with 1.
    """
    from reconciler.entrypoints.cli.delivery_notice import delivery_notice
    from reconciler.wiring.account import open_account
    from reconciler.wiring.people import account_of_sweep

    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    settings = call.settings()
    chosen = account_of_sweep(settings, account, sweep)
    with open_account(settings, chosen, call.clock, writes_rows=True) as opened:
        done = revert_sweep(opened, sweep, asked_by, frozenset(row or ()))
    notice = delivery_notice(settings, chosen) if done.undone else None

    if json:
        write_json(
            {
                "sweep": done.sweep,
                "reverted": len(done.undone),
                "undone": [
                    {
                        "payment": item.key,
                        "payment_intent": item.payment_intent,
                        "order": item.order,
                        "from": item.before,
                        "to": item.status,
                        "amount": item.amount,
                        "currency": item.currency,
                    }
                    for item in done.undone
                ],
                "skipped": [
                    {"payment": item.key, "payment_intent": item.payment_intent, "why": item.why}
                    for item in done.skipped
                ],
                "delivery": notice,
            }
        )
    else:
        _write(done, notice)
    return int(ExitCode.NO if done.skipped else ExitCode.DONE)


def _write(done: Reverted, notice: str | None) -> None:
    count = len(done.undone)
    were = "correction was" if count == 1 else "corrections were"
    write_line(f"Sweep {done.sweep}: {count:,} {were} undone.")
    if done.undone:
        write_line()
        write_table(non_empty(_UNDONE, done.undone), done.undone[:_MOST_SHOWN])
        if count > _MOST_SHOWN:
            write_line(f"… and {count - _MOST_SHOWN:,} more; --json has all of them.")
        write_line()
        messages = "a message" if count == 1 else f"{count:,} messages"
        write_line(
            f"Your application gets {messages} through the outbox, of the kind revert (at an endpoint: "
            "payment.reverted). It has to undo what it did because of the corrections."
        )
        if notice is not None:
            write_line(notice)
    if done.skipped:
        write_line()
        write_line("Rows whose corrections were not undone:")
        write_table(_SKIPPED, done.skipped)
