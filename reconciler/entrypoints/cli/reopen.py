"""``reopen``: a person opens settled or reverted discrepancies again."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import State
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
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode


@takes_selection()
def reopen(
    context: typer.Context,
    selection: Selection,
    discrepancy: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID", min=1, help="The numbers of the discrepancies."),
    ] = None,
    apply: ApplyOption = False,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Open discrepancies again that a person settled, or whose correction a person undid.

    Ends an acceptance and a revert: the next sweep decides about the payment anew, and a sweep with --apply may correct
    it. A selection is only shown, unless --apply is given; without --state it is about settled ones. Needs only the
    database.
    """
    from reconciler.engine.actions.reopen import may_be_reopened
    from reconciler.engine.actions.reopen import reopen as open_again
    from reconciler.wiring.review import open_review

    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    bulk = Bulk(
        call=call,
        settings=call.settings(need_stripe=False, need_table=False),
        ids=tuple(discrepancy or ()),
        selection=selection,
        account=account,
        apply=apply,
        words=["reopen", *option_words({"--by": by})],
        states=(State.RESOLVED, State.IGNORED),
    )
    bulk.raise_if_contradictory()
    with open_review(bulk.settings) as review:
        chosen = bulk.chosen(review, may_be_reopened)
        if chosen is None:
            return int(ExitCode.DONE)
        done = open_again(review.store, chosen, asked_by)
    if json:
        write_json([{"id": item.id, "state": "open", "before": item.state} for item in done])
    elif done:
        for item in done:
            name = item.payment_intent or ", ".join(item.keys)
            write_line(f"Discrepancy {item.id} ({item.kind.value}, {name}) is open again.")
        write_line("To decide again, run: reconciler sweep --apply")
    else:
        write_line("There are no such discrepancies.")
    return int(ExitCode.DONE)
