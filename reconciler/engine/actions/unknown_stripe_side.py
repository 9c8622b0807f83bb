"""What a person does next about a payment if Stripe's side of it is not known."""

from __future__ import annotations

from reconciler.domain.findings.history_text import history_text
from reconciler.domain.model.payment import is_intent_id, is_looked_up
from reconciler.domain.rules.next_step import NextStep
from reconciler.engine.actions.explained_records import discrepancy_text, worst_open
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact


def step_after_failure(local: LocalSide, error: ReconcilerError, again: str) -> NextStep:
    """What to do if Stripe's side could not be read. ``again`` is the command that asks once more, and waits for longer."""
    stored = _stored_text(local)
    if error.exit_code is ExitCode.CONFIGURATION:
        text = "Reconciler may not read Stripe's side: correct the key or the configuration first."
        return NextStep(f"{text} {stored}", "reconciler doctor")
    text = (
        "Decide nothing about the money yet, because Stripe's side is not known. Wait a minute and ask again, or "
        "look at the payment in Stripe's dashboard. reconciler status says whether the service has the same problem."
    )
    return NextStep(f"{text} {stored}", again)


def step_without_intent(local: LocalSide) -> NextStep:
    """What to do if nothing says which PaymentIntent it is, so that Stripe was not asked about one."""
    named, stored = local.named, _stored_text(local)
    if named.looked_up is not None:
        text = (
            f"Look for {named.looked_up} in Stripe's dashboard: it belongs to no PaymentIntent, so "
            "nothing was paid with it."
        )
        return NextStep(f"{text} {stored}")
    foreign = _foreign_text(named)
    if foreign is not None:
        text = (
            f'The row holds "{redact(foreign)[:60]}", which is no PaymentIntent, Checkout Session or charge. Search '
            "for it in the system that it comes from. If such rows are no payments with Stripe, reconciler doctor "
            "proposes how to leave them out."
        )
        return NextStep(f"{text} {stored}", "reconciler doctor")
    if _has_row_of_no_account(named):
        text = "Add the account of the row to [[accounts]], so that Reconciler can ask its Stripe account."
        return NextStep(f"{text} {stored}", "reconciler doctor")
    orders = dict.fromkeys(row.payment.order for row in named.rows if row.payment.order)
    name = f"the order {', '.join(orders)}" if orders else "the customer's e-mail address"
    text = (
        f"Search Stripe's dashboard for {name} and the amount. If a payment is there, run "
        "reconciler explain with its PaymentIntent (pi_…). If no payment is there, nothing was "
        "paid through Stripe."
    )
    return NextStep(f"{text} {stored}")


def why_unknown(named: NamedPayment) -> str:
    """Why nothing says which PaymentIntent a payment is."""
    if named.looked_up is not None:
        return "Stripe knows no PaymentIntent for this id."
    if _foreign_text(named) is not None:
        return "the row holds no id of a PaymentIntent."
    if _has_row_of_no_account(named):
        return "the row belongs to no configured account."
    return "no PaymentIntent is known for this payment."


def _foreign_text(named: NamedPayment) -> str | None:
    """The id of another payment provider that a row holds; None if no row does."""
    held = [row.payment.column_text or "" for row in named.rows]
    return next(
        (one for one in held if one and not is_intent_id(one) and not is_looked_up(one)), None
    )


def _has_row_of_no_account(named: NamedPayment) -> bool:
    return any(row.account is None for row in named.rows)


def _stored_text(local: LocalSide) -> str:
    """What Reconciler knows of the payment from before: what is open, else what happened last."""
    standing = worst_open(local.all_discrepancies)
    if standing is not None:
        return discrepancy_text(standing)
    if local.history:
        last = local.history[-1]
        return f"Stored last, at {last.at:%Y-%m-%d %H:%M:%S} UTC: {history_text(last)}."
    return "Reconciler has stored nothing about it."
