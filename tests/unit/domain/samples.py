"""Ordinary payments and intents, as a shop and Stripe show them. Each test changes only what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent, NextAction
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.money_back import Dispute
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.polling.next_poll import next_poll

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
"""A Wednesday, by Stripe's clock."""
CREATED = NOW - timedelta(hours=2)
SECOND = timedelta(seconds=1)
GRACE = timedelta(minutes=2)
HORIZON = timedelta(days=30)
AMOUNT = 4200

LOCAL_STATUS: dict[Outcome, str] = {
    Outcome.INCOMPLETE: "pending",
    Outcome.FAILED: "declined",
    Outcome.PROCESSING: "at_the_bank",
    Outcome.AUTHORIZED: "on_hold",
    Outcome.SUCCEEDED: "paid",
    Outcome.CANCELED: "void",
    Outcome.REFUNDED: "money_back",
    Outcome.DISPUTED: "chargeback",
}
WRITTEN: dict[Outcome, str] = {
    outcome: status
    for outcome, status in LOCAL_STATUS.items()
    if outcome not in {Outcome.REFUNDED, Outcome.DISPUTED}
}


def charge(**changes: Any) -> Charge:
    """A card charge that went through."""
    taken = Charge(
        id="ch_1",
        status="succeeded",
        created=CREATED + timedelta(minutes=5),
        amount=AMOUNT,
        amount_captured=AMOUNT,
        amount_refunded=0,
        refunded=False,
        disputed=False,
        method="card",
    )
    return replace(taken, **changes)


def _as_stripe_shows(status: str, *, failed: bool) -> dict[str, Any]:
    match status:
        case "requires_payment_method" if failed:
            return {
                "failure_code": "card_declined",
                "charge": charge(status="failed", amount_captured=0, failure_code="card_declined"),
            }
        case "requires_action":
            return {"next_action": NextAction("redirect_to_url")}
        case "processing":
            debit = charge(status="pending", amount_captured=0, method="sepa_debit")
            return {"method": "sepa_debit", "charge": debit}
        case "requires_capture":
            until = NOW + timedelta(days=5)
            held = charge(status="succeeded", amount_captured=0, capture_before=until)
            return {"amount_capturable": AMOUNT, "charge": held}
        case "succeeded":
            return {"amount_received": AMOUNT, "charge": charge()}
        case "canceled":
            return {"canceled_at": CREATED + timedelta(hours=1)}
        case _:
            return {}


def intent(status: str, *, failed: bool = False, **changes: Any) -> Intent:
    """An intent of two hours ago in this status, with the amounts and the charge that belong to the status."""
    plain = Intent(
        id="pi_1",
        status=status,
        amount=AMOUNT,
        amount_received=0,
        amount_capturable=0,
        currency="eur",
        created=CREATED,
        livemode=True,
        seen_at=NOW,
        request_id="req_1",
        method="card",
    )
    return replace(plain, **(_as_stripe_shows(status, failed=failed) | changes))


STATUS_OF = {
    Outcome.INCOMPLETE: "requires_payment_method",
    Outcome.FAILED: "requires_payment_method",
    Outcome.PROCESSING: "processing",
    Outcome.AUTHORIZED: "requires_capture",
    Outcome.SUCCEEDED: "succeeded",
    Outcome.CANCELED: "canceled",
    Outcome.UNKNOWN: "requires_luck",
}


def intent_of(outcome: Outcome, **changes: Any) -> Intent:
    """An intent with this outcome."""
    return intent(STATUS_OF[outcome], failed=outcome is Outcome.FAILED, **changes)


def payment(outcome: Outcome, **changes: Any) -> Payment:
    """A row of the shop's table with this outcome, which holds ``pi_1``."""
    row = Payment(
        account="default",
        key="p1",
        payment_intent="pi_1",
        status=LOCAL_STATUS.get(outcome, "mystery"),
        outcome=outcome,
        amount=AMOUNT,
        currency="eur",
        created=CREATED,
        stored_amount="4200",
        stored_currency="EUR",
    )
    return replace(row, **changes)


def rules(**changes: Any) -> Rules:
    """Rules of a shop that has a status for every outcome and writes the six outcomes of Stripe."""
    read = {status: outcome for outcome, status in LOCAL_STATUS.items()}
    usual = Rules(statuses=StatusMap(read, WRITTEN), grace=GRACE, horizon=HORIZON, metadata={})
    return replace(usual, **changes)


def dispute(status: str = "needs_response", **changes: Any) -> Dispute:
    """A dispute of the whole charge, an hour old."""
    usual = Dispute("dp_1", status, AMOUNT, "eur", NOW - timedelta(hours=1))
    return replace(usual, **changes)


def match_of(seen: Intent | MissingIntent, *payments: Payment, **changes: Any) -> Match:
    """An intent with these rows. Its disputes were read: an open one if the charge says that it is disputed."""
    charged = seen.charge if isinstance(seen, Intent) else None
    disputes = (dispute(),) if charged is not None and charged.disputed else ()
    usual = Match(
        account="default",
        intent=seen,
        payments=payments,
        facts=MatchFacts(disputes=disputes, order=OrderFacts(is_complete=True)),
    )
    return replace(usual, **changes)


def sibling(payment_intent: str, **changes: Any) -> PaidSibling:
    """Another intent that was paid for the same order an hour before ``pi_1``."""
    other = PaidSibling(
        payment_intent=payment_intent,
        key=f"row_of_{payment_intent}",
        amount=AMOUNT,
        currency="eur",
        created=CREATED - timedelta(hours=1),
    )
    return replace(other, **changes)


def missing(**changes: Any) -> MissingIntent:
    """Stripe's 404 for ``pi_1``."""
    return replace(MissingIntent(id="pi_1", seen_at=NOW, request_id="req_404"), **changes)


def polls(
    waiting: Intent, created: datetime | None, horizon: timedelta, jitter: float
) -> Iterator[datetime]:
    """Every poll of an intent that never changes, from its creation on."""
    now = waiting.created
    while (poll := next_poll(waiting, now, created, horizon, jitter)) is not None:
        yield poll
        now = poll


def event(created: datetime, **changes: Any) -> Event:
    """An event about ``pi_1``."""
    usual = Event("evt_1", "payment_intent.succeeded", created, "pi_1")
    return replace(usual, **changes)
