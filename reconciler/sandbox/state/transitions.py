"""How a PaymentIntent moves: pure functions from a payment's state to the next one and the events it makes.

Source: Stripe's life cycle of a PaymentIntent. The events of one change are in the order in which Stripe makes them:
the charge's before the intent's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.sandbox.objects.answers import ApiRefusal, wrong_state
from reconciler.sandbox.objects.payment_methods import METHODS, Flow, decline_message
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    IntentRecord,
    NextActionRecord,
    PaymentErrorRecord,
    RefundRecord,
    Subject,
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

Fresh = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Transition:
    """The records after a change and the events it makes, as (type, snapshot)."""

    intent: IntentRecord
    events: tuple[tuple[str, Subject], ...] = ()
    charge: ChargeRecord | None = None
    refund: RefundRecord | None = None
    dispute: DisputeRecord | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A payment at the second in which something happens to it; ``fresh`` makes ids by prefix."""

    intent: IntentRecord
    latest: ChargeRecord | None
    fresh: Fresh
    at: int

    @property
    def charge(self) -> ChargeRecord:
        """The latest charge; refuses where nothing was charged yet."""
        if self.latest is None:
            raise ApiRefusal(400, f"This PaymentIntent ({self.intent.id}) does not have a successful charge.",
                          code="payment_intent_unexpected_state", param="payment_intent")  # fmt: skip
        return self.latest


Step = Callable[[Moment], Transition]
"""One change of a payment; raises :class:`ApiRefusal` where Stripe would not do it."""


def _expect(intent: IntentRecord, verb: str, done: str, allowed: tuple[str, ...]) -> None:
    if intent.status not in allowed:
        raise wrong_state(verb, done, intent.status, allowed)


def _attempt(now: Moment, status: str) -> ChargeRecord:
    """The charge of this attempt: the pending one moved on, or a new one."""
    intent, pending = now.intent, now.latest
    if pending is not None and pending.status == "pending" and pending.id == intent.latest_charge:
        return replace(pending, status=status)
    return ChargeRecord(
        id=now.fresh("py" if METHODS[intent.method].flow is Flow.DEBIT else "ch"),
        account=intent.account,
        livemode=intent.livemode,
        created=now.at,
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


def await_confirmation(now: Moment) -> Transition:
    """A payment method is attached and nothing was tried yet; Stripe makes no event of it."""
    intent = now.intent
    _expect(intent, "update", "updated", WAITING)
    return Transition(replace(intent, status="requires_confirmation", last_payment_error=None))


def require_action(now: Moment, *, action: str | None, expires_at: int | None) -> Transition:
    """The customer has to do something: authenticate, or pay a voucher until ``expires_at``."""
    intent = now.intent
    _expect(intent, "confirm", "confirmed", WAITING)
    method = METHODS[intent.method]
    if expires_at is None and method.lasts is not None:
        expires_at = now.at + method.lasts
    moved = replace(
        intent,
        status="requires_action",
        last_payment_error=None,
        next_action=NextActionRecord(type=action or method.action, expires_at=expires_at),
    )
    return Transition(moved, (("payment_intent.requires_action", moved),))


def process(now: Moment) -> Transition:
    """The bank works on it: the charge is pending."""
    intent = now.intent
    _expect(intent, "confirm", "confirmed", WAITING)
    charge = replace(_attempt(now, "pending"), captured=True)
    moved = replace(
        intent,
        status="processing",
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    return Transition(
        moved, (("payment_intent.processing", moved), ("charge.pending", charge)), charge
    )


def authorize(now: Moment, *, capture_before: int | None) -> Transition:
    """The money is held: ``requires_capture`` until ``capture_before``."""
    intent = now.intent
    _expect(intent, "confirm", "confirmed", ATTEMPTING)
    held_for = METHODS[intent.method].authorized_for
    if held_for is None:
        raise ApiRefusal(400, f"The payment method type {intent.method} does not support manual capture.",
                      code="payment_intent_invalid_parameter", param="capture_method")  # fmt: skip
    charge = replace(
        _attempt(now, "succeeded"),
        capture_before=now.at + held_for if capture_before is None else capture_before,
    )
    moved = replace(
        intent,
        status="requires_capture",
        capture_method="manual",
        amount_capturable=intent.amount,
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    events: tuple[tuple[str, Subject], ...] = (
        ("charge.succeeded", charge),
        ("payment_intent.amount_capturable_updated", moved),
    )
    return Transition(moved, events, charge)


def succeed(now: Moment) -> Transition:
    """The money is collected."""
    intent = now.intent
    _expect(intent, "confirm", "confirmed", ATTEMPTING)
    charge = replace(_attempt(now, "succeeded"), captured=True, amount_captured=intent.amount)
    moved = replace(
        intent,
        status="succeeded",
        amount_received=intent.amount,
        latest_charge=charge.id,
        last_payment_error=None,
        next_action=None,
    )
    return Transition(
        moved, (("charge.succeeded", charge), ("payment_intent.succeeded", moved)), charge
    )


def fail(now: Moment, *, code: str, decline_code: str | None) -> Transition:
    """The attempt failed. An authentication or a voucher that was not completed leaves no charge."""
    intent = now.intent
    _expect(intent, "confirm", "confirmed", ATTEMPTING)
    message = decline_message(code, decline_code)
    no_charge = intent.status == "requires_action" and code.startswith("payment_intent_")
    charge = None
    if not no_charge:
        charge = replace(
            _attempt(now, "failed"),
            captured=False,
            failure_code=code,
            failure_message=message,
            decline_code=decline_code,
        )
    moved = replace(
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
    events: list[tuple[str, Subject]] = [] if charge is None else [("charge.failed", charge)]
    events.append(("payment_intent.payment_failed", moved))
    return Transition(moved, tuple(events), charge)


def capture(now: Moment, *, amount: int | None, final: bool) -> Transition:
    """Collect held money. Unless ``final``, the rest stays capturable and the status ``requires_capture``.

    The rest of a final capture goes back to the customer, and Stripe counts it in the charge's ``amount_refunded``.
    """
    intent = now.intent
    _expect(intent, "capture", "captured", ("requires_capture",))
    taken = intent.amount_capturable if amount is None else amount
    if not 0 < taken <= intent.amount_capturable:
        raise ApiRefusal(400, f"The requested capture amount is greater than the amount you can capture for this "
                           f"PaymentIntent ({intent.amount_capturable}).",
                      code="amount_too_large", param="amount_to_capture")  # fmt: skip
    done = final or taken == intent.amount_capturable
    released = intent.amount_capturable - taken if done else 0
    charge = now.charge
    captured = replace(
        charge,
        captured=True,
        amount_captured=charge.amount_captured + taken,
        amount_refunded=charge.amount_refunded + released,
    )
    moved = replace(
        intent,
        status="succeeded" if done else "requires_capture",
        amount_received=intent.amount_received + taken,
        amount_capturable=0 if done else intent.amount_capturable - taken,
    )
    refund = _refund(now, captured, released, None) if released else None
    after = "payment_intent.succeeded" if done else "payment_intent.amount_capturable_updated"
    return Transition(moved, (("charge.captured", captured), (after, moved)), captured, refund)


def cancel(now: Moment, *, reason: str | None, expired: bool = False) -> Transition:
    """Irreversible. Held money is released, which Stripe shows as a refund of the uncaptured charge."""
    intent, charge = now.intent, now.latest
    _expect(intent, "cancel", "canceled", CANCELABLE)
    if intent.status == "processing" and METHODS[intent.method].flow is not Flow.DEBIT:
        raise wrong_state("cancel", "canceled", intent.status, CANCELABLE[:-1])
    held = charge is not None and intent.status == "requires_capture"
    moved = replace(
        intent,
        status="canceled",
        canceled_at=now.at,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    events: list[tuple[str, Subject]] = []
    if held and charge is not None:
        charge = replace(charge, amount_refunded=charge.amount - charge.amount_captured)
        events.append(("charge.expired" if expired else "charge.refunded", charge))
    elif charge is not None and charge.status == "pending":
        charge = replace(
            charge, status="failed", failure_code="payment_intent_canceled", captured=False
        )
        events.append(("charge.failed", charge))
    events.append(("payment_intent.canceled", moved))
    return Transition(moved, tuple(events), charge)


def _refund(now: Moment, charge: ChargeRecord, amount: int, reason: str | None) -> RefundRecord:
    return RefundRecord(
        id=now.fresh("re"),
        account=charge.account,
        livemode=charge.livemode,
        created=now.at,
        amount=amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        reason=reason,
        method=charge.method,
    )


def refund(now: Moment, *, amount: int | None, reason: str | None) -> Transition:
    """Money goes back; the intent stays ``succeeded``."""
    intent, charge = now.intent, now.charge
    left = charge.amount - charge.amount_refunded
    if left == 0:
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
    made = _refund(now, charge, back, reason)
    return Transition(
        intent, (("refund.created", made), ("charge.refunded", returned)), returned, made
    )


def dispute(now: Moment, *, amount: int | None, reason: str) -> Transition:
    """The customer's bank asks for the money back; the intent stays ``succeeded``."""
    intent, charge = now.intent, now.charge
    if charge.status != "succeeded" or not charge.captured:
        raise ApiRefusal(400, f"Charge {charge.id} was not captured and cannot be disputed.")
    disputed = replace(charge, disputed=True)
    opened = DisputeRecord(
        id=now.fresh("dp"),
        account=intent.account,
        livemode=intent.livemode,
        created=now.at,
        amount=charge.amount_captured if amount is None else amount,
        currency=charge.currency,
        charge=charge.id,
        payment_intent=intent.id,
        reason=reason,
        method=charge.method,
    )
    return Transition(intent, (("charge.dispute.created", opened),), disputed, dispute=opened)
