"""``explain``: finds a payment by any of its names, and shows its history, both sides, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import is_intent_id, is_looked_up
from reconciler.domain.rules.next_step import dashboard_url
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, parse_payment_name
from reconciler.entrypoints.cli.explain_json import explained_json, match_json
from reconciler.entrypoints.cli.explain_text import write_explained, write_named
from reconciler.entrypoints.cli.output import warn_of_error, write_json, write_line
from reconciler.entrypoints.cli.timed_work import TimedWork
from reconciler.entrypoints.invocation import PROGRAM, Invocation, invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Account, Settings

if TYPE_CHECKING:
    from reconciler.engine.actions.find_payment import PaymentFinder
    from reconciler.wiring.payment_explanation import ExplainedPayment

MOST_EXPLAINED: Final = 5
"""If a text names more payments than this, they are only listed."""


@dataclass
class _Found:
    """What was found so far; shown as far as it is complete if the rest fails or takes too long."""

    named: tuple[NamedPayment, ...] = ()
    locals: list[LocalSide] = field(default_factory=list)
    explained: list[ExplainedPayment] = field(default_factory=list)

    @property
    def is_ambiguous(self) -> bool:
        """Whether the payments can only be listed: they are many, or those of several accounts."""
        return len(self.named) > MOST_EXPLAINED or len({one.account for one in self.named}) > 1


def explain(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="PAYMENT",
            help="A PaymentIntent (pi_…), Checkout Session (cs_…) or charge (ch_…, py_…), or a row's key or order.",
        ),
    ] = None,
    discrepancy: Annotated[
        int | None,
        typer.Option(min=1, metavar="ID", help="The payment that this discrepancy is about."),
    ] = None,
    account: AccountOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=3600,
            metavar="SECONDS",
            help="Wait no longer than this for Stripe or the database, and show what is known by then.",
        ),
    ] = 30.0,
    json: JsonOption = False,
) -> int:
    """Find a payment by any of its names: its history, both sides, and what to do.

    Every account is searched, unless --account names one. Also shows each attempt with its failure, the events, and the
    rule of the decision. Writes nothing. If Stripe is unavailable, the rest is shown, and the exit code is 75.
    """
    if (name is None) == (discrepancy is None):
        raise UsageError(
            "explain needs the name of a payment (PAYMENT), or --discrepancy ID.",
            f"Such as: {PROGRAM} explain pi_3Nabc",
        )
    wanted = None if name is None else parse_payment_name(name)
    call = invocation(context)
    settings = call.settings()
    accounts = settings.accounts if account is None else (settings.account(account),)

    found = _Found()
    work = TimedWork[None](call.clock, quiet=call.quiet)
    error: ReconcilerError | None = None
    try:
        work.run(
            lambda: _explain(call, settings, accounts, wanted, discrepancy, found, work), timeout
        )
    except ReconcilerError as raised:
        # the local side is worth showing also if Stripe's is not there
        if not found.locals:
            raise
        error = raised
    if json:
        write_json(_as_json(found, error))
    else:
        _write(found, wanted)
    if error is not None:
        warn_of_error(error)
        return int(error.exit_code)
    return int(ExitCode.NO if found.is_ambiguous else ExitCode.DONE)


def _explain(
    call: Invocation,
    settings: Settings,
    accounts: Sequence[Account],
    wanted: str | None,
    discrepancy: int | None,
    found: _Found,
    work: TimedWork[None],
) -> None:
    from reconciler.wiring.payment_explanation import explain_payment
    from reconciler.wiring.payment_finder import open_payment_finder
    from reconciler.wiring.payment_views import record_payment_view

    with open_payment_finder(settings) as finder:
        named = _named(finder, wanted, discrepancy)
        # an account that was named does not hide that another one holds the payment
        own = [one for one in named if one.account in {item.name for item in accounts}]
        found.named = tuple(own or named)
        if found.is_ambiguous:
            return
        found.locals = [finder.local_side(one) for one in found.named]
        for one in found.named:
            record_payment_view(settings, one.account, one.names, call.asked_by)
        work.waits_for = "Stripe"
        for local in found.locals:
            among = accounts if local.named.account is None else settings.accounts
            explained = explain_payment(settings, call.clock, finder, local, among, work.stopping)
            found.explained.append(explained)


def _named(
    finder: PaymentFinder, wanted: str | None, discrepancy: int | None
) -> tuple[NamedPayment, ...]:
    if wanted is not None:
        named = finder.find(wanted)
        if not named:
            raise UsageError(
                f'No row of any account has the key or the order "{wanted[:60]}".',
                "Use a PaymentIntent's id (pi_…), a Checkout Session's (cs_…), a charge's (ch_…), or a row's key or order.",
            )
        return named
    one = finder.of_discrepancy(discrepancy or 0)
    if one is None:
        raise UsageError(
            f"There is no discrepancy {discrepancy}.", f"List them with: {PROGRAM} discrepancies"
        )
    return (one,)


def _as_json(found: _Found, error: ReconcilerError | None) -> dict[str, object]:
    text = None if error is None else str(error)
    shown = [explained_json(one.local, one.explanation, _url(one), None) for one in found.explained]
    shown += [explained_json(one, None, None, text) for one in found.locals[len(shown) :]]
    matches = [match_json(one) for one in found.named]
    if not shown:
        return {"matches": matches, "others": []}
    return {**shown[0], "matches": matches, "others": shown[1:]}


def _write(found: _Found, wanted: str | None) -> None:
    if len(found.named) > 1:
        write_line(f'"{wanted}" names {len(found.named)} payments.')
        write_line()
        write_named(found.named)
        write_line()
    if found.is_ambiguous:
        accounts = {one.account for one in found.named}
        if len(accounts) > 1:
            write_line(f"Name one account: {PROGRAM} explain {wanted} --account NAME")
        else:
            write_line(f"Name one payment: {PROGRAM} explain PAYMENT")
    for number, local in enumerate(found.locals):
        if number:
            write_line()
        if number < len(found.explained):
            one = found.explained[number]
            write_explained(one.local, one.explanation, _url(one))
            if one.explanation is None:
                write_line()
                write_line(f"Stripe's side is not known: {_why_unknown(one.local.named)}")
        else:
            write_explained(local, None, None)


def _why_unknown(named: NamedPayment) -> str:
    if named.looked_up is not None:
        return "Stripe names no PaymentIntent for this id."
    held = [row.payment.column_text or "" for row in named.rows]
    if any(text and not is_intent_id(text) and not is_looked_up(text) for text in held):
        return "the row holds no id of a PaymentIntent."
    if any(row.account is None for row in named.rows):
        return "the row belongs to no account of the configuration."
    return "no PaymentIntent is known for it."


def _url(one: ExplainedPayment) -> str | None:
    if one.explanation is None or one.account is None:
        return None
    intent = one.explanation.match.intent
    livemode = intent.livemode if isinstance(intent, Intent) else None
    return dashboard_url(intent.id, livemode, one.account.stripe_account)
