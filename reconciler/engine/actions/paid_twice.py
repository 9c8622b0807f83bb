"""What an explanation says if the order of a payment was paid twice, whichever of its payments was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.domain.findings.discrepancy import Finding, Kind, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.rules.decision import Decision, Flag, Keep
from reconciler.domain.rules.next_step import NextStep
from reconciler.engine.actions.explain import AGREED, Explanation, paid_twice_text
from reconciler.engine.actions.find_payment import LocalSide


def open_second_payments(local: LocalSide) -> tuple[Discrepancy, ...]:
    """The open discrepancies that say of this payment's order that it was paid twice."""
    return tuple(
        one
        for one in local.all_discrepancies
        if one.state is State.OPEN and one.kind is Kind.DUPLICATE_PAYMENT
    )


def with_second_payments(
    found: Explanation,
    twice: Sequence[Discrepancy],
    local: LocalSide,
    named_account: str | None,
) -> Explanation:
    """The explanation with the double payment: first of all, unless a write to the row or another verdict comes before."""
    text = " ".join(paid_twice_text(one.finding) for one in twice)
    numbers = _numbers(twice, local)
    are = "Discrepancy {} is" if len(numbers) == 1 else "Discrepancies {} are"
    opened = f"{are.format(', '.join(map(str, numbers)))} open."
    if not _leads(found.decision):
        step = replace(found.next_step, text=f"{found.next_step.text} But {text} {opened}")
        return replace(found, next_step=step)

    agreed = found.rule.replace(AGREED, "For this PaymentIntent itself, both sides say the same.")
    said = agreed if text in agreed else f"{agreed} {text}"
    account = "" if named_account is None else f" --account {named_account}"
    listed = " ".join(map(str, numbers))
    return replace(
        found,
        decision=Flag(_findings(found.decision, twice)),
        rule=f"{said} {opened}",
        next_step=NextStep(
            "Refund one of the two payments in Stripe's dashboard; then resolve what is open about them.",
            f"reconciler resolve {listed} --note TEXT{account}",
        ),
        standing=twice[0],
    )


def _numbers(twice: Sequence[Discrepancy], local: LocalSide) -> tuple[int, ...]:
    """The double payments, and the missing rows of their PaymentIntents, which a refund settles too."""
    intents = {one.payment_intent for one in twice}
    missing = (
        one.id
        for one in local.all_discrepancies
        if one.state is State.OPEN
        and one.kind is Kind.MISSING_LOCALLY
        and one.payment_intent in intents
    )
    return tuple(sorted({*(one.id for one in twice), *missing}))


def _leads(decision: Decision) -> bool:
    """Whether the double payment comes first: nothing else is to be decided about the payment itself."""
    if isinstance(decision, Flag):
        return all(
            one.kind.is_side or one.kind is Kind.MISSING_LOCALLY for one in decision.findings
        )
    return isinstance(decision, Keep)


def _findings(decision: Decision, twice: Sequence[Discrepancy]) -> tuple[Finding, ...]:
    now = decision.findings if isinstance(decision, Flag) else ()
    own = {(one.kind, one.payment_intent) for one in now}
    more = (one.finding for one in twice if (one.kind, one.payment_intent) not in own)
    return (*now, *more)
