"""``explain``: finds a payment by any of its names, and shows its history, both sides, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.domain.model.intent import Intent
from reconciler.domain.rules.next_step import NextStep, dashboard_url
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from reconciler.engine.actions.unknown_stripe_side import (
    step_after_failure,
    step_without_intent,
    why_unknown,
)
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, parse_payment_name
from reconciler.entrypoints.cli.explain_json import explained_json, match_json
from reconciler.entrypoints.cli.explain_text import (
    write_explained,
    write_named,
    write_next_step,
)
from reconciler.entrypoints.cli.output import warn_of_error, write_json, write_line
from reconciler.entrypoints.cli.selection import command_line, option_words, with_config
from reconciler.entrypoints.cli.timed_work import TimedWork
from reconciler.entrypoints.invocation import PROGRAM, Invocation, invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Account, Settings, key_facts

if TYPE_CHECKING:
    from reconciler.engine.actions.find_payment import PaymentFinder
    from reconciler.wiring.payment_explanation import ExplainedPayment

MOST_EXPLAINED: Final = 5
"""If a text names more payments than this, they are only listed."""
LONGER_SECONDS: Final = 120
"""For so long a command waits that is proposed after one that was not answered."""
MOST_SECONDS: Final = 3600


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
        typer.Option(
            min=1, metavar="ID", help="Explain the payment of the discrepancy with this number."
        ),
    ] = None,
    account: AccountOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=MOST_SECONDS,
            metavar="SECONDS",
            help="Wait at most this long for Stripe and the database. Then show what is known.",
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
            f"For example: {PROGRAM} explain pi_3Nabc",
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
    shown = _Shown(
        call, settings, found, error, _again(call, wanted, discrepancy, account, timeout)
    )
    if json:
        write_json(shown.as_json())
    else:
        shown.write(wanted)
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


def _again(
    call: Invocation,
    wanted: str | None,
    discrepancy: int | None,
    account: str | None,
    timeout: float,
) -> str:
    """The same command, which waits for longer."""
    longer = str(round(min(max(timeout * 2, LONGER_SECONDS), MOST_SECONDS)))
    words = ["explain", *([] if wanted is None else [wanted])]
    number = None if discrepancy is None else str(discrepancy)
    options = {"--discrepancy": number, "--account": account, "--timeout": longer}
    return command_line(call.config, *words, *option_words(options))


@dataclass(frozen=True)
class _Shown:
    """What was found, as it is written. ``again`` is the command that asks once more."""

    call: Invocation
    settings: Settings
    found: _Found
    error: ReconcilerError | None
    again: str

    def as_json(self) -> dict[str, object]:
        error = None if self.error is None else str(self.error)
        shown = []
        for number, local in enumerate(self.found.locals):
            one = self._explained(number)
            shown.append(
                explained_json(
                    local if one is None else one.local,
                    None if one is None else one.explanation,
                    self._url(local, one),
                    error if one is None else None,
                    self._step(local, one),
                )
            )
        matches = [match_json(one) for one in self.found.named]
        if not shown:
            return {"matches": matches, "others": []}
        return {**shown[0], "matches": matches, "others": shown[1:]}

    def write(self, wanted: str | None) -> None:
        found = self.found
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
            one = self._explained(number)
            explanation = None if one is None else one.explanation
            write_explained(local if one is None else one.local, explanation)
            if one is not None and explanation is None:
                write_line()
                write_line(f"Stripe's side is not known: {why_unknown(one.local.named)}")
            write_next_step(self._step(local, one), self._url(local, one))

    def _explained(self, number: int) -> ExplainedPayment | None:
        """Both sides of the payment of that number; None if the time was over, or Stripe failed, before it."""
        return self.found.explained[number] if number < len(self.found.explained) else None

    def _step(self, local: LocalSide, one: ExplainedPayment | None) -> NextStep:
        if one is not None and one.explanation is not None:
            step = one.explanation.next_step
        elif one is None and self.error is not None:
            step = step_after_failure(local, self.error, self.again)
        else:
            step = step_without_intent(local if one is None else one.local)
        command = step.command
        return replace(
            step, command=None if command is None else with_config(command, self.call.config)
        )

    def _url(self, local: LocalSide, one: ExplainedPayment | None) -> str | None:
        """The payment's page in the dashboard; the key says in which mode if Stripe did not."""
        if one is not None and one.explanation is not None and one.account is not None:
            intent = one.explanation.match.intent
            livemode = intent.livemode if isinstance(intent, Intent) else None
            return dashboard_url(intent.id, livemode, one.account.stripe_account)
        named = local.named
        accounts = [one for one in self.settings.accounts if named.account in (None, one.name)]
        if len(accounts) != 1:
            return None
        (account,) = accounts
        return dashboard_url(named.payment_intent, _mode(account), account.stripe_account)


def _mode(account: Account) -> bool | None:
    """Whether the account is in live mode, by the configuration or its key's prefix; None if neither says so."""
    if account.livemode is not None or account.key is None:
        return account.livemode
    return key_facts(account.key.get_secret_value()).livemode
