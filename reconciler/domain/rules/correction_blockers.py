"""What blocks a correction that the decision table asks for, such as a refund, a dispute or another amount.

A blocked correction is a finding of another kind, and a person decides. The first blocker that applies names the kind.
"""

from __future__ import annotations

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome


def correction_blocker(match: Match, payment: Payment, intent: Intent) -> Kind | None:
    """The kind of finding that takes the place of this correction; None if nothing blocks it."""
    if payment.currency != intent.currency:
        return Kind.CURRENCY_MISMATCH

    # the merchant would ship goods for money that went back, or that the customer's bank may take back
    if intent.outcome is Outcome.SUCCEEDED and intent.charge is not None:
        if intent.charge.disputed:
            return Kind.DISPUTE_DRIFT
        if intent.charge.has_refund and not _is_only_released(payment, intent):
            return Kind.REFUND_DRIFT

    if intent.outcome is Outcome.AUTHORIZED and intent.amount_received > 0:
        return Kind.PARTIALLY_CAPTURED
    if _amount_differs(payment, intent):
        return Kind.AMOUNT_MISMATCH

    # nothing shows which of several rows, or of several intents, is meant
    if len(match.payments) > 1 or match.contested:
        return Kind.AMBIGUOUS_ROW
    return None


def _is_only_released(payment: Payment, intent: Intent) -> bool:
    """Whether the refunded amount is only the part of an authorization that a smaller capture released.

    Stripe counts the released part into ``amount_refunded``. If the received amount is the row's amount, it may as well
    be a refund. Then this is False, so that nothing is written.
    """
    charge = intent.charge
    if charge is None or charge.refunded or charge.amount_captured == 0:
        return False
    released = charge.amount - charge.amount_captured
    return charge.amount_refunded == released and intent.amount_received != payment.amount


def _amount_differs(payment: Payment, intent: Intent) -> bool:
    """Whether the money at Stripe is not what the row asks for."""
    match intent.outcome:
        case Outcome.SUCCEEDED:
            return intent.amount_received != payment.amount
        case Outcome.AUTHORIZED:
            return intent.amount_capturable != payment.amount
        case Outcome.CANCELED if intent.amount_received > 0:
            return True
        case _:
            # an order may have a deposit and a rest, so an order links only an intent of the row's own amount
            return payment.payment_intent is None and intent.amount != payment.amount
