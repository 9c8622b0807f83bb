"""The changes of a PaymentIntent: pure functions from a payment's state to the next state and its events.

Source: Stripe's life cycle of a PaymentIntent. The events of one change are in Stripe's order: the charge's events come
before the intent's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.sandbox.objects.answers import ApiRefusal, wrong_state
from reconciler.sandbox.objects.payment_methods import METHODS, Flow, decline_message
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventSubject,
    IntentRecord,
    NextActionRecord,
    PaymentErrorRecord,
    RefundRecord,
)

WAITING = ("requires_payment_method", "requires_confirmation", "requires_action")
ATTEMPTING = (*WAITING, "processing")
CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)

NewId = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Transition:
    """The records after a change, and its events as pairs of type and snapshot."""

    intent: IntentRecord
    events: tuple[tuple[str, EventSubject], ...] = ()
    charge: ChargeRecord | None = None
    refund: RefundRecord | None = None
    dispute: DisputeRecord | None = None


@dataclass(frozen=True, slots=True)
class PaymentState:
    """A payment at the second of a change: its intent, its latest charge, and the time ``at`` in Unix seconds.

    ``new_id`` makes an id from a prefix.
    """

    intent: IntentRecord
    latest: ChargeRecord | None
    new_id: NewId
    at: int

    @property
    def charge(self) -> ChargeRecord:
        """The latest charge. Raises ApiRefusal if there is none."""
        if self.latest is None:
            raise ApiRefusal(400, f"This PaymentIntent ({self.intent.id}) does not have a successful charge.",
                          code="payment_intent_unexpected_state", param="payment_intent")  # fmt: skip
        return self.latest


Step = Callable[[PaymentState], Transition]
"""One change of a payment. Raises :class:`ApiRefusal` if Stripe would refuse it."""


def _raise_unless_status(
    intent: IntentRecord, verb: str, participle: str, allowed: tuple[str, ...]
) -> None:
    if intent.status not in allowed:
        raise wrong_state(verb, participle, intent, allowed)


def _charge_of_attempt(payment: PaymentState, status: str) -> ChargeRecord:
    """The charge of this attempt: the pending charge with its new status, else a new charge."""
    intent, pending = payment.intent, payment.latest
    if pending is not None and pending.status == "pending" and pending.id == intent.latest_charge:
        return replace(pending, status=status)
    return ChargeRecord(
        id=payment.new_id("py" if METHODS[intent.method].flow is Flow.DEBIT else "ch"),
        account=intent.account,
        livemode=intent.livemode,
        created=payment.at,
        amount=intent.amount,
        currency=intent.currency,
        payment_intent=intent.id,
        status=status,
        method=intent.method,
        payment_method=intent.payment_method,
        customer=intent.customer,
        description=intent.description,
        metadata=intent.metadata,
    )


def await_confirmation(payment: PaymentState) -> Transition:
    """Attach a payment method without an attempt. Stripe makes no event for it."""
    intent = payment.intent
    _raise_unless_status(intent, "update", "updated", WAITING)
    return Transition(replace(intent, status="requires_confirmation", last_payment_error=None))


def require_action(
    payment: PaymentState, *, action: str | None, expires_at: int | None
) -> Transition:
    """Require an action of the customer: to authenticate, or to pay a voucher before ``expires_at``."""
    intent = payment.intent
    _raise_unless_status(intent, "confirm", "confirmed", WAITING)
    method = METHODS[intent.method]
    if expires_at is None and method.payable_for is not None:
        expires_at = payment.at + method.payable_for
    is_transfer = method.flow is Flow.TRANSFER
    changed = replace(
        intent,
        status="requires_action",
        last_payment_error=None,
        next_action=NextActionRecord(
            type=action or method.action,
            expires_at=expires_at,
            amount_remaining=intent.amount if is_transfer else None,
        ),
    )
    return Transition(changed, (("payment_intent.requires_action", changed),))


def process(payment: PaymentState) -> Transition:
    """Begin an attempt that takes the bank days: the charge is pending."""
    intent = payment.intent
    _raise_unless_status(intent, "confirm", "confirmed", WAITING)
    charge = replace(_charge_of_attempt(payment, "pending"), captured=True)
    changed = replace(
        intent,
        status="processing",
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    return Transition(
        changed, (("payment_intent.processing", changed), ("charge.pending", charge)), charge
    )


def authorize(payment: PaymentState, *, capture_before: int | None) -> Transition:
    """Hold the money: ``requires_capture`` until ``capture_before``."""
    intent = payment.intent
    _raise_unless_status(intent, "confirm", "confirmed", ATTEMPTING)
    held_for = METHODS[intent.method].authorized_for
    if held_for is None:
        raise ApiRefusal(400, f"The payment method type {intent.method} does not support manual capture.",
                      code="payment_intent_invalid_parameter", param="capture_method")  # fmt: skip
    charge = replace(
        _charge_of_attempt(payment, "succeeded"),
        capture_before=payment.at + held_for if capture_before is None else capture_before,
    )
    changed = replace(
        intent,
        status="requires_capture",
        capture_method="manual",
        amount_capturable=intent.amount,
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    events: tuple[tuple[str, EventSubject], ...] = (
        ("charge.succeeded", charge),
        ("payment_intent.amount_capturable_updated", changed),
    )
    return Transition(changed, events, charge)


def succeed(payment: PaymentState) -> Transition:
    """Collect the money."""
    intent = payment.intent
    _raise_unless_status(intent, "confirm", "confirmed", ATTEMPTING)
    charge = replace(
        _charge_of_attempt(payment, "succeeded"), captured=True, amount_captured=intent.amount
    )
    changed = replace(
        intent,
        status="succeeded",
        amount_received=intent.amount,
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    return Transition(
        changed, (("charge.succeeded", charge), ("payment_intent.succeeded", changed)), charge
    )


def fail(payment: PaymentState, *, code: str, decline_code: str | None) -> Transition:
    """Let the attempt fail. An authentication or a voucher that was not completed leaves no charge."""
    intent = payment.intent
    _raise_unless_status(intent, "confirm", "confirmed", ATTEMPTING)
    message = decline_message(code, decline_code)
    no_charge = intent.status == "requires_action" and code.startswith("payment_intent_")
    charge = None
    if not no_charge:
        charge = replace(
            _charge_of_attempt(payment, "failed"),
            captured=False,
            failure_code=code,
            failure_message=message,
            decline_code=decline_code,
        )
    changed = replace(
        intent,
        status="requires_payment_method",
        latest_charge=charge.id if charge else intent.latest_charge,
        payment_method=None,
        next_action=None,
        last_payment_error=PaymentErrorRecord(
            code=code,
            message=message,
            decline_code=decline_code,
            type="invalid_request_error" if no_charge else "card_error",
            charge=charge.id if charge else None,
            payment_method=intent.payment_method,
            payment_method_type=intent.method,
        ),
    )
    events: list[tuple[str, EventSubject]] = [] if charge is None else [("charge.failed", charge)]
    events.append(("payment_intent.payment_failed", changed))
    return Transition(changed, tuple(events), charge)


def fund(payment: PaymentState, *, amount: int) -> Transition:
    """Receive a bank transfer. The intent succeeds with the transfer that completes its amount."""
    intent, action = payment.intent, payment.intent.next_action
    if intent.status != "requires_action" or action is None or action.amount_remaining is None:
        raise wrong_state("fund", "funded", intent, ("requires_action",))
    left = action.amount_remaining - amount
    if left <= 0:
        return succeed(payment)
    changed = replace(intent, next_action=replace(action, amount_remaining=left))
    return Transition(changed, (("payment_intent.partially_funded", changed),))


def capture(
    payment: PaymentState, *, amount: int | None, final: bool, counts_release: bool
) -> Transition:
    """Collect held money. Unless ``final``, the rest stays capturable and the status ``requires_capture``.

    A final capture releases the rest. With ``counts_release``, as before API version basil, Stripe makes a refund of it,
    counts it in the charge's ``amount_refunded``, and the balance transaction has the whole amount.
    """
    intent = payment.intent
    _raise_unless_status(intent, "capture", "captured", ("requires_capture",))
    taken = intent.amount_capturable if amount is None else amount
    if not 0 < taken <= intent.amount_capturable:
        raise ApiRefusal(400, f"The requested capture amount is greater than the amount you can capture for this "
                           f"PaymentIntent ({intent.amount_capturable}).",
                      code="amount_too_large", param="amount_to_capture")  # fmt: skip

    complete = final or taken == intent.amount_capturable
    released = intent.amount_capturable - taken if complete and counts_release else 0
    charge = payment.charge
    captured = replace(
        charge,
        captured=True,
        amount_captured=charge.amount_captured + taken,
        amount_refunded=charge.amount_refunded + released,
        balance_amount=charge.amount if released else None,
    )
    changed = replace(
        intent,
        status="succeeded" if complete else "requires_capture",
        amount_received=intent.amount_received + taken,
        amount_capturable=0 if complete else intent.amount_capturable - taken,
    )
    made = new_refund(payment, captured, released) if released else None
    after = "payment_intent.succeeded" if complete else "payment_intent.amount_capturable_updated"
    return Transition(changed, (("charge.captured", captured), (after, changed)), captured, made)


def cancel(
    payment: PaymentState,
    *,
    reason: str | None,
    counts_release: bool,
    expired: bool = False,
) -> Transition:
    """Cancel the intent for good. With ``counts_release`` the charge shows the released money as refunded."""
    intent, charge = payment.intent, payment.latest
    _raise_unless_status(intent, "cancel", "canceled", CANCELABLE)
    if intent.status == "processing" and METHODS[intent.method].flow is not Flow.DEBIT:
        raise wrong_state("cancel", "canceled", intent, CANCELABLE[:-1])
    held = charge is not None and intent.status == "requires_capture"
    changed = replace(
        intent,
        status="canceled",
        canceled_at=payment.at,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    events: list[tuple[str, EventSubject]] = []
    if held and charge is not None:
        if counts_release:
            charge = replace(charge, amount_refunded=charge.amount - charge.amount_captured)
        if expired:
            events.append(("charge.expired", charge))
        elif counts_release:
            events.append(("charge.refunded", charge))
    elif charge is not None and charge.status == "pending":
        charge = replace(
            charge, status="failed", failure_code="payment_intent_canceled", captured=False
        )
        events.append(("charge.failed", charge))
    events.append(("payment_intent.canceled", changed))
    return Transition(changed, tuple(events), charge)


def new_refund(
    payment: PaymentState,
    charge: ChargeRecord,
    amount: int,
    *,
    reason: str | None = None,
    status: str = "succeeded",
) -> RefundRecord:
    """A refund of a charge."""
    return RefundRecord(
        id=payment.new_id("re"),
        account=charge.account,
        livemode=charge.livemode,
        created=payment.at,
        amount=amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        reason=reason,
        status=status,
        method=charge.method,
    )
