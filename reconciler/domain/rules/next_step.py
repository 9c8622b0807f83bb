"""What a person does next about a payment: in words, and the command that settles it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match
from reconciler.domain.outcome import NEXT_STEP
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.leading_finding import first_to_settle, number_to_settle, rank


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do, and the command for it; None if no command of Reconciler helps."""

    text: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a next step is about. ``discrepancy`` is its number, None if the finding is not stored yet.

    ``account`` is None if there is only one, so that a command need not name it.
    """

    payment_intent: str | None
    discrepancy: int | None = None
    account: str | None = None


ACCEPT: Final = "resolve {id} --accept stripe --note TEXT"
NOTE: Final = "resolve {id} --note TEXT"
APPLY: Final = "sweep --apply --payment-intent {intent}"

_BY_KIND: Final = {
    Kind.MISSED_OUTCOME: ("Write Stripe's outcome to the row.", APPLY),
    Kind.CONTRADICTED: (
        "Ship nothing: find out why the row says something else. Then accept Stripe's side, or correct the row.",
        ACCEPT,
    ),
    Kind.PAID_AFTER_CANCEL: (
        "Refund the payment in Stripe's dashboard; or deliver after all, and accept Stripe's side.",
        ACCEPT,
    ),
    Kind.REGRESSED: ("Find out why the row is ahead of Stripe; then accept Stripe's side.", ACCEPT),
    Kind.CURRENCY_MISMATCH: (
        "Check which currency was agreed. If Stripe's is right, accept Stripe's side.",
        f"{ACCEPT} --amount-differs",
    ),
    Kind.AMOUNT_MISMATCH: (
        "Check which amount was agreed. If Stripe's is right, accept Stripe's side.",
        f"{ACCEPT} --amount-differs",
    ),
    Kind.PARTIALLY_CAPTURED: (
        "Capture the rest in Stripe's dashboard or release it; then accept Stripe's side.",
        f"{ACCEPT} --amount-differs",
    ),
    Kind.REFUND_DRIFT: (
        "Ship nothing: money went back. Accept Stripe's side, or correct the row.",
        ACCEPT,
    ),
    Kind.DISPUTE_DRIFT: (
        "Ship nothing. Answer the dispute in Stripe's dashboard before its deadline; then resolve the discrepancy.",
        NOTE,
    ),
    Kind.AMBIGUOUS_ROW: (
        "Find out which row the payment belongs to, and accept Stripe's side for this row.",
        f"{ACCEPT} --row KEY",
    ),
    Kind.PAID_BY_OTHER_INTENT: (
        "The customer paid with another PaymentIntent. Accept Stripe's side: the row gets that id and its outcome.",
        ACCEPT,
    ),
    Kind.REFUND_MISSING: (
        "Refund the rest in Stripe's dashboard, or correct the row; then resolve the discrepancy.",
        NOTE,
    ),
    Kind.MISSING_LOCALLY: (
        "Find the order that was paid and create its row, or refund the payment in Stripe's dashboard.",
        NOTE,
    ),
    Kind.MISSING_AT_STRIPE: (
        "Check in which account and mode the id was created; do not treat the payment as unpaid.",
        NOTE,
    ),
    Kind.UNKNOWN_STATUS: (
        "Map the status in [payments.read], or upgrade Reconciler if Stripe has added it.",
        "doctor",
    ),
    Kind.DUPLICATE_PAYMENT: (
        "The order was paid twice. Refund one of the payments in Stripe's dashboard; then resolve the discrepancy.",
        NOTE,
    ),
    Kind.CAPTURE_EXPIRING: ("Capture or release the money now: the authorization ends soon.", None),
    Kind.OVERDUE: (
        "Ask the customer or Stripe why the payment is still open: its payment method rarely takes so long.",
        NOTE,
    ),
    Kind.EXHAUSTED: (
        "Decide by hand: the payment is still open at Stripe, but too old to be polled (sweep.horizon).",
        NOTE,
    ),
    Kind.PARTIALLY_FUNDED: (
        "Ask the customer for the rest of the transfer, or give back what has arrived.",
        NOTE,
    ),
}
_BY_REASON: Final = {
    Reason.NO_LOCAL_VALUE: ("Add the outcome to [payments.write], and sweep with --apply.", APPLY),
    Reason.NOT_READABLE: (
        "Correct the row. Or correct the SQL text of [payments] that fails for this row, so that it gives NULL.",
        "doctor",
    ),
    Reason.ORDER_PAID: (
        "Do not cancel the order yet. Look at the order's other payment first, and then correct the row.",
        NOTE,
    ),
    Reason.OTHER_INTENT_OPEN: (
        "Wait for the order's other PaymentIntent, or cancel it in Stripe's dashboard; then sweep with --apply.",
        APPLY,
    ),
    Reason.ORDER_NOT_KNOWN: (
        "Search Stripe's dashboard for the order. If no other payment is there, accept Stripe's side.",
        ACCEPT,
    ),
    Reason.MAYBE_PAID: (
        "Check whether the payment without a row belongs to this order. If it does not, accept Stripe's side.",
        ACCEPT,
    ),
    Reason.ROW_WITHOUT_INTENT: (
        "A row without a PaymentIntent says that the order was paid. If it was paid twice, refund one payment.",
        NOTE,
    ),
    Reason.ROW_EXCLUDED: (
        "Check why the configuration leaves out this row of a paid payment. Refund the payment, or change the row.",
        NOTE,
    ),
    Reason.REFUSED_BY_TABLE: (
        "Change the row, or the table's rule that refuses the write; then sweep with --apply.",
        APPLY,
    ),
    Reason.NOT_KEPT_BY_TABLE: (
        "Change the trigger or the rule that undoes the write; then sweep with --apply.",
        APPLY,
    ),
    Reason.REVERTED: (
        "Nothing: a person undid this correction. To make the correction after all, open the discrepancy again.",
        "reopen {id}",
    ),
}


def step_for(kind: Kind, reason: str | None, subject: Subject) -> NextStep:
    """What settles a finding of this kind, with this reason."""
    text, command = _BY_KIND[kind]
    if reason in _BY_REASON:
        text, command = _BY_REASON[Reason(reason)]
    if command is None:
        return NextStep(text)
    if "{id}" in command and subject.discrepancy is None:
        # what is not stored yet has no number to name
        command = "sweep --record --payment-intent {intent}"
    if "{intent}" in command and subject.payment_intent is None:
        return NextStep(text)
    account = f" --account {subject.account}" if subject.account is not None else ""
    named = command.format(id=subject.discrepancy, intent=subject.payment_intent)
    return NextStep(text, f"reconciler {named}{account if named != 'doctor' else ''}")


def next_step(
    match: Match, decision: Decision, subject: Subject, numbers: dict[Kind, int]
) -> NextStep:
    """What a person does next, by both sides. ``numbers`` are those of the open discrepancies, by kind."""
    intent = match.intent
    match decision:
        case Keep():
            return NextStep(_text_if_agreed(match, intent))
        case Wait(until, _):
            again = f"Wait: a sweep decides again, not before {until:%Y-%m-%d %H:%M:%S} UTC."
            return NextStep(again)
        case Correct(outcome=outcome):
            step = step_for(Kind.MISSED_OUTCOME, None, subject)
            return NextStep(f"{step.text} Then: {NEXT_STEP[outcome]}", step.command)
        case Flag(findings):
            worst = max(first_to_settle(findings), key=lambda one: rank(one.kind, one.severity))
            about = worst.payment_intent or subject.payment_intent
            named = Subject(about, number_to_settle(worst.kind, numbers), subject.account)
            return step_for(worst.kind, worst.reason, named)
        case _ as unreachable:
            assert_never(unreachable)


def _text_if_agreed(match: Match, intent: Intent | MissingIntent) -> str:
    if isinstance(intent, MissingIntent) or not match.payments:
        return "Nothing: this is about no row of your table."
    if intent.outcome.is_open:
        return f"Nothing to correct: both sides agree. {NEXT_STEP[intent.outcome]}"
    return "Nothing: both sides agree."


def dashboard_url(
    payment_intent: str | None, livemode: bool | None, stripe_account: str | None = None
) -> str | None:
    """The payment's page in Stripe's dashboard; None if there is no intent, or its mode is not known."""
    if payment_intent is None or livemode is None:
        return None
    account = f"{stripe_account}/" if stripe_account else ""
    mode = "" if livemode else "test/"
    return f"https://dashboard.stripe.com/{account}{mode}payments/{payment_intent}"
