"""What an explanation says once the records are known: an open discrepancy stands, or the application waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.domain.findings.history_item import HistoryEvent, HistoryItem
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.intent import Intent
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.leading_finding import first_to_settle, rank
from reconciler.domain.rules.next_step import NextStep, Subject, step_for
from reconciler.engine.actions.explain import AGREED, Explanation, paid_twice_text
from reconciler.engine.actions.find_payment import LocalSide
from reconciler.engine.actions.paid_twice import open_second_payments, with_second_payments
from reconciler.engine.actions.refused_correction import refused_correction, with_refusal
from reconciler.masking import storable


def with_records(found: Explanation, local: LocalSide, named_account: str | None) -> Explanation:
    """The explanation, with what is stored about the payment and the decision alone does not know.

    A person who reads that both sides agree tells the customer to pay again: an open discrepancy comes first.
    ``named_account`` is the account that commands name; None if there is only one.
    """
    payer_of = worst_open(local.payer_of)
    if payer_of is not None:
        return _of_the_payer(found, payer_of, named_account)
    refused = refused_correction(found, local)
    if refused is not None:
        found = with_refusal(found, refused, named_account)
    second = open_second_payments(local)
    if second:
        return with_second_payments(found, second, local, named_account)
    if refused is not None:
        return found
    settled = _settled_by_person(found, local)
    if settled is not None:
        return replace(found, next_step=NextStep(settled))
    ended = [one for one in local.discrepancies if _has_ended(one, found)]
    own = [one for one in local.discrepancies if one not in ended]
    standing = worst_open(own)
    if standing is not None and _comes_first(standing, found.decision):
        agreed = found.rule.replace(
            AGREED, "For this PaymentIntent itself, both sides say the same."
        )
        rule = f"{agreed} {discrepancy_text(standing)}"
        return _with_standing(found, standing, rule, named_account)
    if standing is None and ended:
        return _with_ended(found, ended, named_account)
    waiting = _not_delivered(local.history)
    if standing is None and isinstance(found.decision, Keep) and waiting is not None:
        step = NextStep(f"{found.next_step.text} {waiting}", "reconciler status")
        found = replace(found, next_step=step)
    others = worst_open(local.of_order)
    if standing is None and others is not None:
        text = f"{found.next_step.text} But look at the rest of its order too. {discrepancy_text(others)}"
        command = found.next_step.command or f"reconciler explain --discrepancy {others.id}"
        return replace(found, next_step=NextStep(text, command))
    return found


def _settled_by_person(found: Explanation, local: LocalSide) -> str | None:
    """That a person has settled all that a sweep would find, with the same values on both sides; None if not."""
    if not isinstance(found.decision, Flag):
        return None
    settled = {(one.subject, one.fingerprint): one for one in local.all_discrepancies}
    met = [settled.get((one.subject, one.fingerprint)) for one in found.decision.findings]
    people = {one.id: one.resolved_by for one in met if one is not None and one.state.is_by_person}
    if not met or any(one is None or one.id not in people for one in met):
        return None
    numbers = ", ".join(map(str, sorted(people)))
    by = ", ".join(dict.fromkeys(who for who in people.values() if who))
    said = "discrepancy {}" if len(people) == 1 else "discrepancies {}"
    return f"Nothing: {by or 'a person'} has settled {said.format(numbers)}, and both sides say the same as then."


def worst_open(discrepancies: Iterable[Discrepancy]) -> Discrepancy | None:
    """The open discrepancy that a person settles first; None if none is open."""
    opened = first_to_settle(one for one in discrepancies if one.state is State.OPEN)
    return max(opened, key=lambda one: (rank(one.kind, one.severity), -one.id), default=None)


def discrepancy_text(one: Discrepancy) -> str:
    """Which discrepancy is open, about which rows, and who paid instead if that is known."""
    about = [f"row {key}" for key in one.keys]
    about += [f"order {one.order}"] if one.order else []
    of = f" of {', '.join(about)}" if about else ""
    said = f"Discrepancy {one.id} ({one.kind.value}, {one.severity.value}){of} is open"
    if one.kind is Kind.DUPLICATE_PAYMENT:
        return f"{said}. {paid_twice_text(one.finding)}"
    paying = one.evidence.get("paying_intent")
    if not isinstance(paying, str):
        return f"{said}: {one.stake} at stake."
    status = one.stripe_side.status
    known = f" ({status})" if status is not None else ""
    return f"{said}: {paying} has paid the order, {one.stake}{known}."


def _of_the_payer(found: Explanation, one: Discrepancy, named_account: str | None) -> Explanation:
    """The intent has paid the order of a row that holds another intent: no order is to be looked for."""
    intent = found.match.intent.id
    decision: Decision = found.decision
    if isinstance(decision, Flag):
        others = tuple(item for item in decision.findings if item.kind is not Kind.MISSING_LOCALLY)
        decision = Flag(others) if others else Keep()
    held = f" The row holds {one.payment_intent}." if one.payment_intent else ""
    rule = f"{intent} paid for the order of an open discrepancy. {discrepancy_text(one)}{held}"
    return _with_standing(replace(found, decision=decision), one, rule, named_account)


def _with_standing(
    found: Explanation, one: Discrepancy, rule: str, named_account: str | None
) -> Explanation:
    """The explanation with an open discrepancy before what both sides say now: its finding is flagged.

    A correction stays one, because a sweep that may write makes it all the same.
    """
    decision: Decision = found.decision
    match decision:
        case Correct():
            pass
        case Flag(findings):
            others = tuple(item for item in findings if item.kind is not one.kind)
            decision = Flag((one.finding, *others))
        case Keep() | Wait():
            decision = Flag((one.finding,))
        case _ as unreachable:
            assert_never(unreachable)
    step = _step(one, named_account)
    return replace(found, decision=decision, rule=rule, next_step=step, standing=one)


def _has_ended(one: Discrepancy, found: Explanation) -> bool:
    """Whether it is open only because no sweep has examined its rows and its PaymentIntent since they agree again."""
    match = found.match
    is_examined = one.payment_intent == match.intent.id and not one.kind.is_side
    return (
        isinstance(found.decision, Keep)
        and isinstance(match.intent, Intent)
        and one.state is State.OPEN
        and is_examined
        # the sweep that met the other PaymentIntent knew more of the order than both sides of this one say
        and one.kind is not Kind.PAID_BY_OTHER_INTENT
        and bool(one.keys)
        and set(one.keys) <= {storable(payment.key) for payment in match.payments}
    )


def _with_ended(
    found: Explanation, ended: Sequence[Discrepancy], named_account: str | None
) -> Explanation:
    """Both sides agree again: there is nothing to accept, and a sweep closes what is still open."""
    numbers = ", ".join(str(one.id) for one in ended)
    are = "discrepancy {} is" if len(ended) == 1 else "discrepancies {} are"
    account = "" if named_account is None else f" --account {named_account}"
    return replace(
        found,
        rule=f"{found.rule} But {are.format(numbers)} still open: no sweep has examined the row since.",
        next_step=NextStep(
            f"Nothing to correct: both sides agree again. A sweep of this payment closes {numbers}.",
            f"reconciler sweep --record --payment-intent {found.match.intent.id}{account}",
        ),
    )


def _comes_first(one: Discrepancy, decision: Decision) -> bool:
    """Whether the next step is that of the open discrepancy, and not that of the decision."""
    is_paid_otherwise = one.kind is Kind.PAID_BY_OTHER_INTENT
    match decision:
        case Keep():
            return True
        case Wait() | Correct():
            return is_paid_otherwise
        case Flag(findings):
            worst = max(rank(item.kind, item.severity) for item in findings)
            return is_paid_otherwise or rank(one.kind, one.severity) > worst


def _step(one: Discrepancy, named_account: str | None) -> NextStep:
    return step_for(one.kind, one.reason, Subject(one.payment_intent, one.id, named_account))


def _not_delivered(history: Iterable[HistoryItem]) -> str | None:
    """What the application has not received: the oldest outbox row that is not delivered; None if there is none."""
    for item in history:
        if item.event != HistoryEvent.QUEUED or item.reason == "delivered":
            continue
        error = f"; last error: {item.note}" if item.note else ""
        state = "waits" if item.reason == "waiting" else "was given up, and waits"
        return (
            f"But your application has not received the change of row {item.key} yet:"
            f" outbox row {item.outbox} {state} since {item.at:%Y-%m-%d %H:%M:%S} UTC{error}."
        )
    return None
