"""``resolve``: a person settles discrepancies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import State
from reconciler.engine.actions.resolve import Resolution
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ApplyOption,
    ByOption,
    JsonOption,
    parse_name,
)
from reconciler.entrypoints.cli.bulk import Bulk
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.cli.selection import Selection, option_words, takes_selection
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact

if TYPE_CHECKING:
    from reconciler.engine.actions.acceptance import AcceptedBy, AcceptedRow


class AcceptedSide(StrEnum):
    """The side whose outcome is accepted."""

    STRIPE = "stripe"


@takes_selection()
def resolve(
    context: typer.Context,
    selection: Selection,
    discrepancy: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID", min=1, help="The numbers of the discrepancies."),
    ] = None,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The reason; the ledger keeps it.")
    ] = None,
    apply: ApplyOption = False,
    accept: Annotated[
        AcceptedSide | None,
        typer.Option(
            metavar="stripe",
            help="Write Stripe's outcome to the row, even if a sweep leaves it to a person. One discrepancy at a time.",
        ),
    ] = None,
    ignore: Annotated[
        bool,
        typer.Option(
            "--ignore",
            help="Set the state to ignored instead of resolved: the difference does not matter.",
        ),
    ] = False,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help=(
                "With --accept: the key of the row to write, if the discrepancy names several rows."
            ),
        ),
    ] = None,
    amount_differs: Annotated[
        bool,
        typer.Option(
            "--amount-differs",
            help="With --accept: accept that Stripe's amount differs from the row's. The row keeps its amount.",
        ),
    ] = False,
    requested: Annotated[
        bool,
        typer.Option(
            "--requested",
            help=(
                "Write what reviewers accepted on the finance pages, each in the name of its "
                "reviewer. A running service does this by itself."
            ),
        ),
    ] = False,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Settle discrepancies, as a person: those that are named, or those that options select.

    They stay settled until a value of either side changes. A selection is only shown, unless --apply is given; without
    --state it is about open ones. Needs only the database, unless --accept is given: then Reconciler writes Stripe's
    current outcome to the row, as safely as any correction.
    """
    ids = tuple(dict.fromkeys(discrepancy or ()))
    if requested:
        from reconciler.entrypoints.cli.requested_acceptances import carry_out_requested

        if ids or not selection.is_empty or note is not None or accept is not None or ignore:
            raise UsageError(
                "--requested is about what reviewers accepted on the pages.",
                "With --requested, use no other option than --account.",
            )
        return carry_out_requested(invocation(context), account, as_json=json)
    if note is None:
        raise UsageError("--note is missing.", "Write the reason in a few words: --note TEXT")
    _raise_if_contradictory(note, accept, ids, selection, ignore=ignore)
    if accept is None and (row is not None or amount_differs):
        raise UsageError("--row and --amount-differs belong to --accept.", "Add --accept stripe.")

    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    notice = None
    if accept is not None:
        from reconciler.engine.actions.acceptance import AcceptedBy

        # a note may quote what was pasted by mistake, and the ledger keeps it
        accepted = AcceptedBy(asked_by, redact(note.strip()), row, amount_differs)
        settled_one, notice = _accept(call, account, ids[0], accepted)
        done: Sequence[Resolution] = (settled_one,)
    else:
        words = ["resolve", "--note", note, *(["--ignore"] if ignore else [])]
        bulk = Bulk(
            call=call,
            settings=call.settings(need_stripe=False, need_table=False),
            ids=ids,
            selection=selection,
            account=account,
            apply=apply,
            words=[*words, *option_words({"--by": by})],
            states=(State.OPEN,),
        )
        settled = _settle(bulk, note, asked_by, ignore=ignore)
        if settled is None:
            return int(ExitCode.DONE)
        done = settled
    if json:
        found = [_as_json(one, notice) for one in done]
        write_json(found[0] if len(ids) == 1 else found)
    else:
        _write_all(done, notice)
    return int(ExitCode.DONE)


def _raise_if_contradictory(
    note: str,
    accept: AcceptedSide | None,
    ids: Sequence[int],
    selection: Selection,
    *,
    ignore: bool,
) -> None:
    if not note.strip():
        raise UsageError("--note is empty.", "Write the reason in a few words.")
    if ignore and accept is not None:
        raise UsageError(
            "--ignore and --accept contradict each other.", "Use one of the two options."
        )
    if accept is not None and (len(ids) != 1 or not selection.is_empty):
        raise UsageError(
            "--accept is about one discrepancy at a time.",
            "Give the number of one discrepancy, and no option that selects several: reconciler "
            "resolve ID --accept stripe --note TEXT",
        )


def _accept(
    call: Invocation, account: str | None, number: int, accepted: AcceptedBy
) -> tuple[Resolution, str | None]:
    """Accept Stripe's side. The second value is why the application does not hear of it now."""
    from reconciler.engine.actions.resolve import accept_stripe
    from reconciler.entrypoints.cli.delivery_notice import delivery_notice
    from reconciler.wiring.account import open_account
    from reconciler.wiring.people import account_of_discrepancy

    settings = call.settings()
    chosen = account_of_discrepancy(settings, account, number)
    with open_account(settings, chosen, call.clock, writes_rows=True) as opened:
        done = accept_stripe(opened, number, accepted)
    # afterwards: until then this command itself may hold the account in place of a service
    return done, delivery_notice(settings, chosen)


def _settle(bulk: Bulk, note: str, by: AskedBy, *, ignore: bool) -> tuple[Resolution, ...] | None:
    from reconciler.engine.actions.resolve import resolve as settle
    from reconciler.wiring.review import open_review

    bulk.raise_if_contradictory()
    with open_review(bulk.settings) as review:
        chosen = bulk.chosen(review)
        if chosen is None:
            return None
        return settle(review.store, chosen, note, by, ignore=ignore)


def _as_json(done: Resolution, notice: str | None) -> Mapping[str, object]:
    written = {**written_json(done.written), "delivery": notice}
    return {"id": done.discrepancy.id, "state": done.state, **written}


def written_json(written: AcceptedRow | None) -> Mapping[str, object]:
    """The row that was given Stripe's outcome, as fields; each is null if no row was written."""
    payment = None if written is None else written.payment
    return {
        "payment": None if payment is None else payment.key,
        "from_status": None if payment is None else payment.status,
        "to_status": None if written is None else written.status,
        "remark": None if written is None else written.remark,
        "from_payment_intent": None if payment is None else payment.payment_intent,
        "to_payment_intent": None if written is None else written.payment_intent,
        "outbox": None if written is None else written.outbox,
    }


def _write_all(done: Sequence[Resolution], notice: str | None) -> None:
    for one in done:
        _write(one)
    if not done:
        write_line("No discrepancy matches these options.")
    if notice is not None:
        write_line(notice)


def _write(done: Resolution) -> None:
    found = done.discrepancy
    name = found.payment_intent or ", ".join(found.keys)
    write_line(f"Discrepancy {found.id} ({found.kind.value}, {name}) is {done.state.value}.")
    for line in () if done.written is None else done.written.lines:
        write_line(line)
