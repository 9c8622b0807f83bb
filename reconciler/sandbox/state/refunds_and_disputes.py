"""The changes of money that went back: refunds and disputes of a payment that stays ``succeeded``."""

from __future__ import annotations

from dataclasses import replace

from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.records import DisputeRecord, EventSubject, RefundRecord
from reconciler.sandbox.state.transitions import PaymentState, Transition, new_refund

OVER = ("won", "lost", "prevented", "warning_closed")
"""The statuses of a dispute that do not change any more."""


def refund(
    payment: PaymentState, *, amount: int | None, reason: str | None, status: str
) -> Transition:
    """Refund money; the intent stays ``succeeded``. A pending refund counts on the charge already."""
    intent, charge = payment.intent, payment.charge

    # what a smaller capture released is no money that can go back, whether the charge counts it or not
    is_counted = charge.balance_amount is not None
    left = (charge.amount if is_counted else charge.amount_captured) - charge.amount_refunded
    if charge.captured and left == 0:
        raise ApiRefusal(
            400,
            f"Charge {charge.id} has already been refunded.",
            code="charge_already_refunded",
        )
    if charge.status != "succeeded" or not charge.captured:
        raise ApiRefusal(400, f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                      code="payment_intent_unexpected_state", param="payment_intent")  # fmt: skip
    back = left if amount is None else amount
    if not 0 < back <= left:
        raise ApiRefusal(400, f"Refund amount ({back}) is greater than unrefunded amount on charge ({left}).",
                      code="charge_exceeds_refundable_amount", param="amount")  # fmt: skip
    returned = replace(charge, amount_refunded=charge.amount_refunded + back)
    made = new_refund(payment, charge, back, reason=reason, status=status)
    return Transition(
        intent, (("refund.created", made), ("charge.refunded", returned)), returned, made
    )


def change_refund(
    payment: PaymentState, *, changing: RefundRecord, status: str, failure_reason: str | None
) -> Transition:
    """Let a refund succeed, fail or be canceled. Money that did not go back is no longer counted on the charge."""
    charge = payment.charge
    changed = replace(changing, status=status, failure_reason=failure_reason)
    if changing.counts and not changed.counts:
        charge = replace(charge, amount_refunded=charge.amount_refunded - changing.amount)
    events: list[tuple[str, EventSubject]] = [
        ("refund.updated", changed),
        ("charge.refund.updated", changed),
    ]
    if status == "failed":
        events.append(("refund.failed", changed))
    return Transition(payment.intent, tuple(events), charge, changed)


def dispute(payment: PaymentState, *, amount: int | None, reason: str, status: str) -> Transition:
    """Open a dispute; the intent stays ``succeeded``. An inquiry moves no money."""
    intent, charge = payment.intent, payment.charge
    if charge.status != "succeeded" or not charge.captured:
        raise ApiRefusal(400, f"Charge {charge.id} was not captured and cannot be disputed.")
    opened = DisputeRecord(
        id=payment.new_id("dp"),
        account=intent.account,
        livemode=intent.livemode,
        created=payment.at,
        amount=charge.amount_captured if amount is None else amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=intent.id,
        status=status,
        reason=reason,
        method=charge.method,
    )
    events: list[tuple[str, EventSubject]] = [("charge.dispute.created", opened)]
    if not opened.is_inquiry:
        events.append(("charge.dispute.funds_withdrawn", opened))
    disputed = replace(charge, disputed=True)
    return Transition(intent, tuple(events), disputed, dispute=opened)


def change_dispute(payment: PaymentState, *, changing: DisputeRecord, status: str) -> Transition:
    """Change the status of a dispute. The charge stays disputed: Stripe does not document that a win changes that."""
    changed = replace(changing, status=status)
    kind = "charge.dispute.closed" if status in OVER else "charge.dispute.updated"
    events: list[tuple[str, EventSubject]] = [(kind, changed)]
    if changing.is_inquiry and not changed.is_inquiry:
        events.append(("charge.dispute.funds_withdrawn", changed))
    if status == "won":
        events.append(("charge.dispute.funds_reinstated", changed))
    return Transition(payment.intent, tuple(events), dispute=changed)
