"""Payments for a new sandbox: of every kind and with events, or many plain ones for measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.objects.ids import Ids
from reconciler.sandbox.objects.records import ChargeRecord, IntentRecord
from reconciler.sandbox.state.sandbox import Sandbox
from reconciler.sandbox.state.store import ACCOUNT

STEP = timedelta(seconds=2)
"""The time between two changes of a payment in the past."""


class PaymentKind(Enum):
    """How far a payment has come, and with which result."""

    ABANDONED = "abandoned"  # created, without an attempt
    UNCONFIRMED = "unconfirmed"
    AUTHENTICATING = "authenticating"
    VOUCHER = "voucher"
    FAILED = "failed"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    PARTLY_CAPTURED = "partly_captured"  # multicapture: requires_capture with money received
    CAPTURED_LESS = "captured_less"  # final capture of less than was authorized
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    EXPIRED = "expired"  # an authorization that has expired
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    DISPUTED = "disputed"


Change = Callable[[Sandbox, IntentRecord, datetime], IntentRecord]

_FIRST_CHANGES: dict[PaymentKind, Change] = {
    PaymentKind.ABANDONED: lambda _sandbox, intent, _at: intent,
    PaymentKind.UNCONFIRMED: lambda sandbox, intent, at: sandbox.attach(intent.id, at=at),
    PaymentKind.AUTHENTICATING: lambda sandbox, intent, at: sandbox.require_action(
        intent.id, at=at
    ),
    PaymentKind.VOUCHER: lambda sandbox, intent, at: sandbox.require_action(intent.id, at=at),
    PaymentKind.FAILED: lambda sandbox, intent, at: sandbox.fail(intent.id, at=at),
    PaymentKind.PROCESSING: lambda sandbox, intent, at: sandbox.process(intent.id, at=at),
    PaymentKind.SUCCEEDED: lambda sandbox, intent, at: sandbox.succeed(intent.id, at=at),
    PaymentKind.AUTHORIZED: lambda sandbox, intent, at: sandbox.authorize(intent.id, at=at),
    PaymentKind.CANCELED: lambda sandbox, intent, at: sandbox.cancel(
        intent.id, "requested_by_customer", at=at
    ),
}

# the payments of these kinds have a second change after that of another kind
_SECOND_CHANGES: dict[PaymentKind, tuple[PaymentKind, Change]] = {
    PaymentKind.PARTLY_CAPTURED: (
        PaymentKind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.capture(
            intent.id, max(1, intent.amount // 2), final=False, at=at
        ),
    ),
    PaymentKind.CAPTURED_LESS: (
        PaymentKind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.capture(intent.id, max(1, intent.amount // 2), at=at),
    ),
    PaymentKind.EXPIRED: (
        PaymentKind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.expire_authorization(intent.id, at=at),
    ),
    PaymentKind.REFUNDED: (
        PaymentKind.SUCCEEDED,
        lambda sandbox, intent, at: sandbox.refund(intent.id, at=at),
    ),
    PaymentKind.PARTLY_REFUNDED: (
        PaymentKind.SUCCEEDED,
        lambda sandbox, intent, at: sandbox.refund(intent.id, max(1, intent.amount // 3), at=at),
    ),
    PaymentKind.DISPUTED: (
        PaymentKind.SUCCEEDED,
        lambda sandbox, intent, at: sandbox.dispute(intent.id, at=at),
    ),
}

_METHODS = {PaymentKind.VOUCHER: "oxxo", PaymentKind.PROCESSING: "us_bank_account"}
_MANUAL = (
    PaymentKind.AUTHORIZED,
    PaymentKind.PARTLY_CAPTURED,
    PaymentKind.CAPTURED_LESS,
    PaymentKind.EXPIRED,
)


def make(
    sandbox: Sandbox,
    kind: PaymentKind,
    amount: int,
    currency: str = "usd",
    *,
    method: str | None = None,
    customer: str | None = None,
    metadata: dict[str, str] | None = None,
    account: str = ACCOUNT,
    livemode: bool | None = None,
    at: datetime | None = None,
) -> IntentRecord:
    """Create a payment of a kind with all its events.

    It is created at ``at``, and each change comes two seconds later. Without ``at``, all happens at the clock's present
    second, so that nothing is in the future.
    """
    intent = sandbox.create_payment(
        amount,
        currency,
        method=method or _METHODS.get(kind, "card"),
        capture_method="manual" if kind in _MANUAL else "automatic_async",
        customer=customer,
        metadata=metadata,
        account=account,
        livemode=livemode,
        at=at,
    )
    moment = at or sandbox.clock.now()
    step = timedelta(0) if at is None else STEP
    first, second_change = _SECOND_CHANGES.get(kind, (kind, None))
    intent = _FIRST_CHANGES[first](sandbox, intent, moment + step)
    return intent if second_change is None else second_change(sandbox, intent, moment + 2 * step)


# of about a hundred payments in an ordinary shop
_MIX: Sequence[tuple[PaymentKind, int]] = (
    (PaymentKind.SUCCEEDED, 62), (PaymentKind.ABANDONED, 8), (PaymentKind.FAILED, 7), (PaymentKind.PROCESSING, 4), (PaymentKind.CANCELED, 4),
    (PaymentKind.AUTHENTICATING, 3), (PaymentKind.AUTHORIZED, 3), (PaymentKind.REFUNDED, 2), (PaymentKind.VOUCHER, 2), (PaymentKind.UNCONFIRMED, 1),
    (PaymentKind.PARTLY_REFUNDED, 1), (PaymentKind.DISPUTED, 1), (PaymentKind.CAPTURED_LESS, 1), (PaymentKind.EXPIRED, 1),
)  # fmt: skip


def mixed(chance: SeededChance, number: int) -> PaymentKind:
    """The kind of the ``number``-th payment of an ordinary shop."""
    drawn = chance.between(0, sum(weight for _, weight in _MIX), "kind", number)
    for kind, weight in _MIX:
        drawn -= weight
        if drawn < 0:
            return kind
    return PaymentKind.SUCCEEDED


def fill(
    sandbox: Sandbox, payments: int, *, days: float = 30, seed: int = 0, currency: str = "usd"
) -> None:
    """Create the payments of an ordinary shop, spread evenly over the days before now. The seed repeats them."""
    chance = SeededChance(seed)
    end = sandbox.clock.now()
    for number in range(payments):
        make(
            sandbox,
            mixed(chance, number),
            int(chance.between(500, 25_000, "amount", number)),
            currency,
            metadata={"order_id": str(100_000 + number)},
            at=end - timedelta(days=days) * (1 - number / payments) - 3 * STEP,
        )


def prepared(
    count: int,
    *,
    since: datetime,
    until: datetime,
    seed: int = 0,
    open_share: float = 0.0,
    account: str = ACCOUNT,
    livemode: bool = False,
    currency: str = "usd",
) -> Iterator[tuple[IntentRecord, ChargeRecord | None]]:
    """Many plain card payments for :meth:`Sandbox.load`, oldest first, spread evenly over a range of time.

    The ``open_share`` of them is ``processing``, the others have succeeded. Each takes some microseconds.
    """
    ids = Ids(seed)
    first, span = int(since.timestamp()), (until - since).total_seconds()
    for number in range(count):
        name = ids.new("")[1:]
        created = first + int(span * number / count)
        amount = 500 + number * 7919 % 24_500
        is_open = number * 0.6180339887498949 % 1 < open_share
        charge = ChargeRecord(
            id=f"ch_{name}",
            account=account,
            livemode=livemode,
            created=created,
            amount=amount,
            currency=currency,
            payment_intent=f"pi_{name}",
            status="pending" if is_open else "succeeded",
            payment_method=f"pm_{name}",
            captured=True,
            amount_captured=0 if is_open else amount,
        )
        intent = IntentRecord(
            id=charge.payment_intent,
            account=account,
            livemode=livemode,
            created=created,
            amount=amount,
            currency=currency,
            status="processing",
            payment_method=charge.payment_method,
            latest_charge=charge.id,
            metadata=MappingProxyType({"order_id": str(number)}),
            secret=name,
        )
        if not is_open:
            intent = replace(intent, status="succeeded", amount_received=amount)
        yield intent, charge
