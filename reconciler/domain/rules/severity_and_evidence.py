"""What a finding carries: its severity, the money at stake, both sides' values and the evidence for a person."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import SAYS_PAID, Outcome
from reconciler.domain.rules.pair_verdict import PairVerdict


def severity_of(kind: Kind, payment: Payment, rows: Sequence[Payment], intent: Intent) -> Severity:
    """How soon a person should act on a finding about this row; ``rows`` are all rows that the finding names."""
    is_critical: bool
    match kind:
        case Kind.CONTRADICTED | Kind.PAID_AFTER_CANCEL:
            is_critical = True
        case Kind.AMBIGUOUS_ROW:
            # the customer has paid and no row of the merchant says so, or a row says so and no money was taken
            says_paid = any(row.outcome in SAYS_PAID for row in rows)
            is_critical = (intent.amount_received > 0) is not says_paid
        case Kind.CURRENCY_MISMATCH | Kind.AMOUNT_MISMATCH:
            # goods may have been sent for another amount
            is_critical = payment.outcome is Outcome.SUCCEEDED
        case Kind.REFUND_DRIFT | Kind.DISPUTE_DRIFT:
            # an open row may still lead to a shipment, although the money went back
            is_critical = payment.outcome.is_open
        case _:
            is_critical = False
    return Severity.CRITICAL if is_critical else Severity.WARNING


def stake_of(kind: Kind, payment: Payment, intent: Intent) -> Money:
    """The money that a finding about this row is about: minor units of the intent's currency, never negative."""
    amount = intent.amount
    match kind:
        case Kind.CONTRADICTED | Kind.PAID_AFTER_CANCEL | Kind.CURRENCY_MISMATCH:
            # money that was received matters more than money that was asked for
            amount = intent.settled_amount
        case Kind.AMOUNT_MISMATCH:
            amount = _difference(payment, intent)
        case Kind.PARTIALLY_CAPTURED:
            amount = intent.amount_received
        case _:
            pass
    return Money(amount, intent.currency)


def _difference(payment: Payment, intent: Intent) -> int:
    # a canceled intent should have received nothing
    if intent.outcome is Outcome.CANCELED:
        return intent.amount_received
    is_held = intent.outcome is Outcome.AUTHORIZED
    at_stripe = intent.amount_capturable if is_held else intent.amount_received
    # a missing local amount is not zero: then the whole amount at Stripe is at stake
    return at_stripe if payment.amount is None else abs(at_stripe - payment.amount)


def local_values(payment: Payment) -> dict[str, object]:
    """The row's values of which a fingerprint is made. They hold no times."""
    return {
        "key": payment.key,
        "payment_intent": payment.payment_intent,
        "status": payment.status,
        "outcome": payment.outcome.value,
        "amount": payment.amount,
        "currency": payment.currency,
    }


def stripe_values(intent: Intent) -> dict[str, object]:
    """The intent's values of which a fingerprint is made. They hold no times."""
    charge = intent.charge
    return {
        "status": intent.status,
        "outcome": intent.outcome.value,
        "amount": intent.amount,
        "amount_received": intent.amount_received,
        "amount_capturable": intent.amount_capturable,
        "currency": intent.currency,
        # a refund or a dispute makes it another disagreement, although the status stays succeeded
        "charge": charge.id if charge else None,
        "amount_refunded": charge.amount_refunded if charge else None,
        "refunded": charge.refunded if charge else None,
        "disputed": charge.disputed if charge else None,
    }


def evidence(intent: Intent) -> dict[str, object]:
    """What a person wants to read beside the values: when Stripe showed them, in which request, and how they came about."""
    # times and request ids stand here and not among the values, because they must not change a fingerprint
    charge = intent.charge
    charge_evidence: dict[str, object] | None = None
    if charge is not None:
        charge_evidence = {
            "id": charge.id,
            "status": charge.status,
            "created": charge.created,
            "amount": charge.amount,
            "amount_captured": charge.amount_captured,
            "failure_code": charge.failure_code,
            "capture_before": charge.capture_before,
        }

    return {
        "request_id": intent.request_id,
        "seen_at": intent.seen_at,
        "created": intent.created,
        "canceled_at": intent.canceled_at,
        "livemode": intent.livemode,
        "method": intent.method,
        "failure_code": intent.failure_code,
        "next_action": intent.next_action.type if intent.next_action else None,
        "charge": charge_evidence,
    }


def pair_finding(
    verdict: PairVerdict, payment: Payment, rows: Sequence[Payment], intent: Intent
) -> Finding:
    """The finding of a verdict. ``payment`` was compared, ``rows`` are the rows that the finding names."""
    # a single row stands by itself, so that the fingerprint of stored findings stays the same
    values = [local_values(row) for row in rows]
    stake = stake_of(verdict.kind, payment, intent)
    if verdict.stake is not None:
        stake = Money(verdict.stake, intent.currency)
    return Finding(
        kind=verdict.kind,
        severity=verdict.severity or severity_of(verdict.kind, payment, rows, intent),
        stake=stake,
        payment_intent=intent.id,
        keys=tuple(row.key for row in rows),
        local=values[0] if len(values) == 1 else {"rows": values},
        stripe={**stripe_values(intent), **verdict.facts},
        reason=verdict.reason,
        evidence={**evidence(intent), **verdict.evidence},
    )
