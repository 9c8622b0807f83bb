"""How bad a pair's finding is, and how much money it is about."""

from __future__ import annotations

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome


def severity_of(kind: Kind, payment: Payment) -> Severity:
    """How soon a person should look at a pair's finding."""
    critical: bool
    match kind:
        case Kind.CONTRADICTED | Kind.PAID_AFTER_CANCEL | Kind.AMBIGUOUS_ROW:
            critical = True
        case Kind.CURRENCY_MISMATCH | Kind.AMOUNT_MISMATCH:
            critical = payment.outcome is Outcome.SUCCEEDED
        case Kind.REFUND_DRIFT | Kind.DISPUTE_DRIFT:
            critical = payment.outcome.is_open
        case _:
            critical = False
    return Severity.CRITICAL if critical else Severity.WARNING


def stake_of(kind: Kind, payment: Payment, intent: Intent) -> Money:
    """The money that a pair\'s finding is about: minor units, unsigned, in the intent\'s currency."""
    amount = intent.amount
    match kind:
        case Kind.CONTRADICTED | Kind.PAID_AFTER_CANCEL | Kind.CURRENCY_MISMATCH:
            amount = intent.settled_amount
        case Kind.AMOUNT_MISMATCH:
            amount = _difference(payment, intent)
        case Kind.PARTIALLY_CAPTURED:
            amount = intent.amount_received
        case Kind.REFUND_DRIFT if intent.charge is not None:
            amount = intent.charge.amount_refunded
        case _:
            pass
    return Money(amount, intent.currency)


def _difference(payment: Payment, intent: Intent) -> int:
    if intent.outcome is Outcome.CANCELED:
        return intent.amount_received
    there = (
        intent.amount_capturable if intent.outcome is Outcome.AUTHORIZED else intent.amount_received
    )
    # a local amount that is missing is not zero: then all of Stripe's is at stake
    return there if payment.amount is None else abs(there - payment.amount)
