"""``assign``: a person says who deals with discrepancies."""

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
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode


@takes_selection(without=("without_owner",))
def assign(
    context: typer.Context,
    selection: Selection,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID NAME",
            help="The numbers of the discrepancies, and the new owner, such as an e-mail address.",
        ),
    ] = None,
    no_owner: Annotated[
        bool, typer.Option("--nobody", help="Remove the owner. Give no name with this option.")
    ] = False,
    apply: ApplyOption = False,
    account: AccountOption = None,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Say who deals with discrepancies: those that are named, or those that options select.

    A selection is only shown, unless --apply is given; without --state it is about open ones. The ledger has an entry
    for each. Needs only the database.
    """
    from reconciler.engine.actions.assign import assign as give
    from reconciler.wiring.review import open_review

    ids, to = _ids_and_name(words or [], no_owner=no_owner)
    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    typed = ["assign", *(["--nobody"] if to is None else [to]), *option_words({"--by": by})]
    bulk = Bulk(
        call=call,
        settings=call.settings(need_stripe=False, need_table=False),
        ids=ids,
        selection=selection,
        account=account,
        apply=apply,
        words=typed,
        states=(State.OPEN,),
    )
    bulk.raise_if_contradictory()
    with open_review(bulk.settings) as review:
        chosen = bulk.chosen(review)
        if chosen is None:
            return int(ExitCode.DONE)
        changed = give(review.store, chosen, to, asked_by)
    owner = None if to is None else to.strip()
    if json:
        write_json([{"id": one.id, "owner": owner, "before": one.owner} for one in changed])
        return int(ExitCode.DONE)
    for one in changed:
        name = one.payment_intent or ", ".join(one.keys)
        write_line(f"Discrepancy {one.id} ({one.kind.value}, {name}): owner {owner or 'none'}.")
    unchanged = len(chosen) - len(changed)
    if unchanged:
        write_line(f"Discrepancies that already had this owner: {unchanged:,}.")
    return int(ExitCode.DONE)


def _ids_and_name(words: list[str], *, no_owner: bool) -> tuple[tuple[int, ...], str | None]:
    """The numbers, and the name that stands after them; None with --nobody. Raises UsageError."""
    numbers, name = (words, None) if no_owner else (words[:-1], words[-1] if words else "")
    if name is not None and (not name.strip() or name.isdecimal()):
        raise UsageError(
            "the name of the owner is missing.",
            "Write: reconciler assign ID NAME, or reconciler assign ID --nobody",
        )
    if not all(word.isdecimal() and len(word) < 19 and int(word) > 0 for word in numbers):
        raise UsageError(
            "each word before the owner's name has to be the number of a discrepancy.",
            "Put a name of several words in quotes.",
        )
    return tuple(dict.fromkeys(int(word) for word in numbers)), name
