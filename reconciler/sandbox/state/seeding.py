"""Payments to begin with: of every kind, with events, or very many and plain for measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from reconciler.sandbox.objects.records import Charge, Intent
from reconciler.sandbox.state.chance import Chance, Ids
from reconciler.sandbox.state.sandbox import Sandbox
from reconciler.sandbox.state.store import ACCOUNT

LATER = timedelta(seconds=2)


class Kind(Enum):
    """What became of a payment."""

    ABANDONED = "abandoned"  # created, no attempt made
    UNCONFIRMED = "unconfirmed"
    AUTHENTICATING = "authenticating"
    VOUCHER = "voucher"
    FAILED = "failed"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    PARTLY_CAPTURED = "partly_captured"  # multicapture: still requires_capture, money received
    CAPTURED_LESS = "captured_less"  # final capture of less than was authorized
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    EXPIRED = "expired"  # an authorization that ran out
    REFUNDED = "refunded"
    PARTLY_REFUNDED = "partly_refunded"
    DISPUTED = "disputed"


Moves = Callable[[Sandbox, Intent, datetime], Intent]

_COURSES: dict[Kind, Moves] = {
    Kind.ABANDONED: lambda _sandbox, intent, _at: intent,
    Kind.UNCONFIRMED: lambda sandbox, intent, at: sandbox.attach(intent.id, at=at),
    Kind.AUTHENTICATING: lambda sandbox, intent, at: sandbox.require_action(intent.id, at=at),
    Kind.VOUCHER: lambda sandbox, intent, at: sandbox.require_action(intent.id, at=at),
    Kind.FAILED: lambda sandbox, intent, at: sandbox.fail(intent.id, at=at),
    Kind.PROCESSING: lambda sandbox, intent, at: sandbox.process(intent.id, at=at),
    Kind.SUCCEEDED: lambda sandbox, intent, at: sandbox.succeed(intent.id, at=at),
    Kind.AUTHORIZED: lambda sandbox, intent, at: sandbox.authorize(intent.id, at=at),
    Kind.CANCELED: lambda sandbox, intent, at: sandbox.cancel(
        intent.id, "requested_by_customer", at=at
    ),
}

# These begin as another kind ends, and go on.
_CONTINUED: dict[Kind, tuple[Kind, Moves]] = {
    Kind.PARTLY_CAPTURED: (
        Kind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.capture(
            intent.id, max(1, intent.amount // 2), final=False, at=at
        ),
    ),
    Kind.CAPTURED_LESS: (
        Kind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.capture(intent.id, max(1, intent.amount // 2), at=at),
    ),
    Kind.EXPIRED: (
        Kind.AUTHORIZED,
        lambda sandbox, intent, at: sandbox.expire_authorization(intent.id, at=at),
    ),
    Kind.REFUNDED: (Kind.SUCCEEDED, lambda sandbox, intent, at: sandbox.refund(intent.id, at=at)),
    Kind.PARTLY_REFUNDED: (
        Kind.SUCCEEDED,
        lambda sandbox, intent, at: sandbox.refund(intent.id, max(1, intent.amount // 3), at=at),
    ),
    Kind.DISPUTED: (Kind.SUCCEEDED, lambda sandbox, intent, at: sandbox.dispute(intent.id, at=at)),
}

_METHODS = {Kind.VOUCHER: "oxxo", Kind.PROCESSING: "us_bank_account"}
_MANUAL = (Kind.AUTHORIZED, Kind.PARTLY_CAPTURED, Kind.CAPTURED_LESS, Kind.EXPIRED)


def make(
    sandbox: Sandbox,
    kind: Kind,
    amount: int,
    currency: str = "usd",
    *,
    method: str | None = None,
    customer: str | None = None,
    metadata: dict[str, str] | None = None,
    account: str = ACCOUNT,
    livemode: bool | None = None,
    at: datetime | None = None,
) -> Intent:
    """A payment of a kind with all its events, created at ``at`` or now and moved two seconds a step.

    Without ``at`` every step happens at the clock's present second, so that nothing lies in the future.
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
    step = timedelta(0) if at is None else LATER
    before, goes_on = _CONTINUED.get(kind, (kind, None))
    intent = _COURSES[before](sandbox, intent, moment + step)
    return intent if goes_on is None else goes_on(sandbox, intent, moment + 2 * step)


# Of a hundred payments in a shop, about.
_MIX: Sequence[tuple[Kind, int]] = (
    (Kind.SUCCEEDED, 62), (Kind.ABANDONED, 8), (Kind.FAILED, 7), (Kind.PROCESSING, 4), (Kind.CANCELED, 4),
    (Kind.AUTHENTICATING, 3), (Kind.AUTHORIZED, 3), (Kind.REFUNDED, 2), (Kind.VOUCHER, 2), (Kind.UNCONFIRMED, 1),
    (Kind.PARTLY_REFUNDED, 1), (Kind.DISPUTED, 1), (Kind.CAPTURED_LESS, 1), (Kind.EXPIRED, 1),
)  # fmt: skip


def mixed(chance: Chance, number: int) -> Kind:
    """The kind of the ``number``-th payment of an ordinary shop."""
    drawn = chance.between(0, sum(weight for _, weight in _MIX), "kind", number)
    for kind, weight in _MIX:
        drawn -= weight
        if drawn < 0:
            return kind
    return Kind.SUCCEEDED


def fill(
    sandbox: Sandbox, payments: int, *, days: float = 30, seed: int = 0, currency: str = "usd"
) -> None:
    """Fill a sandbox with the payments of an ordinary shop, spread evenly over the days before now."""
    chance = Chance(seed)
    end = sandbox.clock.now()
    for number in range(payments):
        make(
            sandbox,
            mixed(chance, number),
            int(chance.between(500, 25_000, "amount", number)),
            currency,
            metadata={"order_id": str(100_000 + number)},
            at=end - timedelta(days=days) * (1 - number / payments) - 3 * LATER,
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
) -> Iterator[tuple[Intent, Charge | None]]:
    """Many plain card payments for :meth:`Sandbox.load`, oldest first, spread evenly over a range of time.

    All succeeded but the ``open_share``, which is still ``processing``. Quick: some microseconds each.
    """
    ids = Ids(seed)
    first, span = int(since.timestamp()), (until - since).total_seconds()
    for number in range(count):
        name = ids.fresh("")[1:]
        created = first + int(span * number / count)
        amount = 500 + number * 7919 % 24_500
        waiting = number * 0.6180339887498949 % 1 < open_share
        charge = Charge(
            id=f"ch_{name}",
            account=account,
            livemode=livemode,
            created=created,
            amount=amount,
            currency=currency,
            payment_intent=f"pi_{name}",
            status="pending" if waiting else "succeeded",
            payment_method=f"pm_{name}",
            captured=True,
            amount_captured=0 if waiting else amount,
        )
        intent = Intent(
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
        if not waiting:
            intent = replace(intent, status="succeeded", amount_received=amount)
        yield intent, charge
