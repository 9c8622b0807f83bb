"""What blocks a correction."""

from __future__ import annotations

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome


def correction_blocker(subject: Match, payment: Payment, intent: Intent) -> Kind | None:
    """The conditions over the table: what makes a correction unsafe, the first that holds."""
    succeeded = intent.outcome is Outcome.SUCCEEDED
    if payment.currency != intent.currency:
        return Kind.CURRENCY_MISMATCH
    if succeeded and intent.charge is not None:
        if intent.charge.disputed:
            return Kind.DISPUTE_DRIFT
        if intent.charge.has_refund and not _only_released(payment, intent):
            return Kind.REFUND_DRIFT
    if intent.outcome is Outcome.AUTHORIZED and intent.amount_received > 0:
        return Kind.PARTIALLY_CAPTURED
    if _amount_differs(payment, intent):
        return Kind.AMOUNT_MISMATCH
    if len(subject.payments) > 1 or subject.contested:
        return Kind.AMBIGUOUS_ROW
    return None


def _only_released(payment: Payment, intent: Intent) -> bool:
    """Whether a smaller capture explains both the amount and what Stripe calls refunded.

    Stripe counts the part of an authorization that was released into ``amount_refunded``. Where the amount agrees it
    may as well be a refund, so that nothing is written then.
    """
    charge = intent.charge
    if charge is None or charge.refunded or charge.amount_captured == 0:
        return False
    released = charge.amount - charge.amount_captured
    return charge.amount_refunded == released and intent.amount_received != payment.amount


def _amount_differs(payment: Payment, intent: Intent) -> bool:
    match intent.outcome:
        case Outcome.SUCCEEDED:
            return intent.amount_received != payment.amount
        case Outcome.AUTHORIZED:
            return intent.amount_capturable != payment.amount
        case Outcome.CANCELED if intent.amount_received > 0:
            return True
        case _:
            # an order may have a deposit and a rest: only an intent of the row's own amount is joined by it
            return payment.payment_intent is None and intent.amount != payment.amount
