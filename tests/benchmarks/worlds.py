"""The payments that the benchmarks run over, the same in the sandbox's process and in ours.

``pairs``: of every hundred intents two were paid at Stripe and are still pending here, 28 are open on both sides, the rest
were paid on both. The open ones are bank debits within their time, or attempts that failed, so that nothing else is
found. Every intent has a charge, so that an expanded page is as heavy as it gets.

``all_open``: what a shop has that is open, and nothing to be corrected. Of ten seven are carts that nobody paid, two are
attempts that failed, and one is a bank debit, or where its time is over another attempt that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from reconciler.sandbox import ChargeRecord, IntentRecord, PaymentErrorRecord, prepared

OPEN_SHARE = 0.30
WRONG_SHARE = 0.02
DEBIT_TIME = timedelta(days=17)
"""A SEPA debit may take 14 business days."""
OLDEST = timedelta(days=29)
NEWEST = timedelta(hours=3)
FRESH = timedelta(minutes=5)
CARTS_OF_TEN = 7
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Pair:
    """An intent with its charge, and what the merchant's row says."""

    intent: IntentRecord
    charge: ChargeRecord | None
    local: str


def pairs(
    count: int, now: datetime, *, livemode: bool, wrong_share: float = WRONG_SHARE
) -> Iterator[Pair]:
    """The world of so many payments, oldest first. ``now`` in whole seconds makes it repeat in another process.

    ``wrong_share`` of all are to be corrected; they are some of the ``OPEN_SHARE``.
    """
    many = prepared(
        count,
        since=now - OLDEST,
        until=now - NEWEST,
        seed=1,
        open_share=OPEN_SHARE,
        livemode=livemode,
        currency="eur",
    )
    for number, (intent, charge) in enumerate(many):
        if charge is None:
            raise ValueError("every prepared payment has a charge")
        if intent.status == "succeeded":
            yield Pair(intent, charge, "paid")
        elif number * GOLDEN % 1 < wrong_share:
            yield _missed(intent, charge)
        elif now - datetime.fromtimestamp(intent.created, UTC) < DEBIT_TIME:
            yield _debit(intent, charge)
        else:
            yield _failed(intent, charge)


def all_open(count: int, now: datetime, *, livemode: bool) -> Iterator[Pair]:
    """So many open payments, from just within the horizon until a few minutes ago."""
    many = prepared(
        count,
        since=now - OLDEST,
        until=now - FRESH,
        seed=1,
        open_share=1.0,
        livemode=livemode,
        currency="eur",
    )
    for number, (intent, charge) in enumerate(many):
        if charge is None:
            raise ValueError("every prepared payment has a charge")
        if number % 10 < CARTS_OF_TEN:
            yield _cart(intent)
        elif number % 10 == 9 and now - datetime.fromtimestamp(intent.created, UTC) < DEBIT_TIME:
            yield _debit(intent, charge)
        else:
            yield _failed(intent, charge)


def _cart(intent: IntentRecord) -> Pair:
    status = "requires_payment_method"
    unpaid = replace(intent, status=status, latest_charge=None, payment_method=None)
    return Pair(unpaid, None, "pending")


def _missed(intent: IntentRecord, charge: ChargeRecord) -> Pair:
    paid = replace(intent, status="succeeded", amount_received=intent.amount)
    taken = replace(charge, status="succeeded", amount_captured=intent.amount)
    return Pair(paid, taken, "pending")


def _debit(intent: IntentRecord, charge: ChargeRecord) -> Pair:
    method = "sepa_debit"
    return Pair(replace(intent, method=method), replace(charge, method=method), "processing")


def _failed(intent: IntentRecord, charge: ChargeRecord) -> Pair:
    error = PaymentErrorRecord(
        code="card_declined", message="Your card was declined.", charge=charge.id
    )
    back = replace(intent, status="requires_payment_method", last_payment_error=error)
    failed = replace(charge, status="failed", captured=False, failure_code=error.code)
    return Pair(back, failed, "failed")
