"""``reopen``: a person opens settled or reverted discrepancies again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    ApplyOption,
    ByOption,
    JsonOption,
    parse_name,
)
from reconciler.entrypoints.cli.bulk import Bulk
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.cli.selection import (
    Selection,
    command_line,
    option_words,
    takes_selection,
)
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings

MOST_NAMED: Final = 20
"""If more payments were opened again, no command line names them all."""


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
        for command in _previews(call, bulk.settings, done):
            write_line(f"To see what Reconciler decides about it now: {command}")
    else:
        write_line("No discrepancy matches these options.")
    return int(ExitCode.DONE)


def _previews(call: Invocation, settings: Settings, done: Sequence[Discrepancy]) -> Iterator[str]:
    """For each account the dry sweep of these payments alone; of everything if they are many or name no PaymentIntent."""
    for account in dict.fromkeys(item.account for item in done):
        of_account = [item.payment_intent for item in done if item.account == account]
        intents = [intent for intent in dict.fromkeys(of_account) if intent is not None]
        if len(intents) > MOST_NAMED or None in of_account:
            intents = []
        words = [word for intent in intents for word in ("--payment-intent", intent)]
        named = option_words({"--account": account if len(settings.accounts) > 1 else None})
        yield command_line(call.config, "sweep", *words, *named)
