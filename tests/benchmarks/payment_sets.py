"""The payments of the benchmarks, the same in the sandbox's process and in the benchmark's.

``mixed_pairs``: of every hundred intents two were paid at Stripe and their rows are pending, 28 are open on both sides,
and the rest were paid on both. The open ones are bank debits within their time or failed attempts, so that no other
discrepancy is found. Every intent has a charge: an expanded page is as large as it gets.

``open_pairs``: only open payments, nothing to be corrected. Seven of ten are unpaid carts, two are failed attempts, and
one is a bank debit, or a failed attempt if its time for a debit is over.
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
NEWEST_OPEN = timedelta(minutes=5)
CARTS_OF_TEN = 7
GOLDEN_RATIO = 0.6180339887498949
"""Multiples of it, modulo 1, are spread evenly: so are the wrong rows."""


@dataclass(frozen=True, slots=True)
class PaymentPair:
    """An intent with its charge, and the status of the merchant's row."""

    intent: IntentRecord
    charge: ChargeRecord | None
    local: str


def mixed_pairs(
    count: int, now: datetime, *, livemode: bool, wrong_share: float = WRONG_SHARE
) -> Iterator[PaymentPair]:
    """So many payments, oldest first. With the same ``now``, in whole seconds, another process makes the same ones.

    ``wrong_share`` is the share of rows to be corrected; they are among the ``OPEN_SHARE``.
    """
    payments = prepared(
        count,
        since=now - OLDEST,
        until=now - NEWEST,
        seed=1,
        open_share=OPEN_SHARE,
        livemode=livemode,
        currency="eur",
    )

    for number, (intent, charge) in enumerate(payments):
        if charge is None:
            raise ValueError("every prepared payment has a charge")
        if intent.status == "succeeded":
            yield PaymentPair(intent, charge, "paid")
        elif number * GOLDEN_RATIO % 1 < wrong_share:
            yield _missed(intent, charge)
        elif now - datetime.fromtimestamp(intent.created, UTC) < DEBIT_TIME:
            yield _debit(intent, charge)
        else:
            yield _failed(intent, charge)


def open_pairs(count: int, now: datetime, *, livemode: bool) -> Iterator[PaymentPair]:
    """So many open payments, created between the horizon and five minutes ago."""
    payments = prepared(
        count,
        since=now - OLDEST,
        until=now - NEWEST_OPEN,
        seed=1,
        open_share=1.0,
        livemode=livemode,
        currency="eur",
    )

    for number, (intent, charge) in enumerate(payments):
        if charge is None:
            raise ValueError("every prepared payment has a charge")
        if number % 10 < CARTS_OF_TEN:
            yield _cart(intent)
        elif number % 10 == 9 and now - datetime.fromtimestamp(intent.created, UTC) < DEBIT_TIME:
            yield _debit(intent, charge)
        else:
            yield _failed(intent, charge)


def _cart(intent: IntentRecord) -> PaymentPair:
    status = "requires_payment_method"
    unpaid = replace(intent, status=status, latest_charge=None, payment_method=None)
    return PaymentPair(unpaid, None, "pending")


def _missed(intent: IntentRecord, charge: ChargeRecord) -> PaymentPair:
    paid = replace(intent, status="succeeded", amount_received=intent.amount)
    taken = replace(charge, status="succeeded", amount_captured=intent.amount)
    return PaymentPair(paid, taken, "pending")


def _debit(intent: IntentRecord, charge: ChargeRecord) -> PaymentPair:
    method = "sepa_debit"
    return PaymentPair(replace(intent, method=method), replace(charge, method=method), "processing")


def _failed(intent: IntentRecord, charge: ChargeRecord) -> PaymentPair:
    error = PaymentErrorRecord(
        code="card_declined", message="Your card was declined.", charge=charge.id
    )
    back = replace(intent, status="requires_payment_method", last_payment_error=error)
    failed = replace(charge, status="failed", captured=False, failure_code=error.code)
    return PaymentPair(back, failed, "failed")
