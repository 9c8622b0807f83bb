"""What must be known of an order before one of its rows is made failed or canceled.

A shop may make a new PaymentIntent for each retry and keep the first one's id. Releasing the order of a payment that was
made under another intent is the worst that a correction can do, so what is not known is not written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.findings.discrepancy import Reason
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match_facts import OrderFacts
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import PAID_OR_HELD, Outcome

EARLIEST_INTENT: Final = timedelta(days=1)
"""How long before its row an intent may have been created: clocks differ, and some shops write the row late."""
LONGEST_OPEN_WAIT: Final = timedelta(days=1)
"""How long an intent that is still open keeps a row of its order waiting."""

_MAY_BE_PAID: Final = frozenset(
    {Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.PROCESSING, Outcome.UNKNOWN}
)
_OVER: Final = frozenset({Outcome.CANCELED})


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """What the order says of a negative write: nothing against it, a reason, a wait, or the intent that paid instead."""

    reason: Reason | None = None
    wait_until: datetime | None = None
    paid_by: Intent | None = None


def order_verdict(
    row: Payment,
    own: Intent,
    facts: OrderFacts,
    now: datetime,
    parts: frozenset[str] = frozenset(),
) -> OrderVerdict:
    """Whether the order of ``row`` allows that the row becomes failed or canceled. ``now`` is Stripe's time.

    ``parts`` are the keys of the rows that are written together with this one, so they do not speak against it.
    """
    others = [intent for intent in facts.intents if intent.id != own.id]
    # the intent that paid is the better finding, so it is named before the reasons
    paid = paying_intent(row, own, facts)
    if paid is not None:
        return OrderVerdict(paid_by=paid)
    other_rows = [other for other in facts.rows if other.key not in {row.key, *parts}]
    if any(other.outcome in _MAY_BE_PAID for other in other_rows):
        return OrderVerdict(reason=Reason.ORDER_PAID)
    if any(intent.outcome in PAID_OR_HELD for intent in others):
        return OrderVerdict(reason=Reason.ORDER_PAID)

    # the customer may be confirming the payment with the bank at this moment
    still_open = [
        intent
        for intent in others
        if intent.id not in facts.held
        and intent.outcome not in _OVER
        and intent.created >= own.created
    ]
    if still_open:
        until = max(intent.created for intent in still_open) + LONGEST_OPEN_WAIT
        return (
            OrderVerdict(wait_until=until)
            if now < until
            else OrderVerdict(reason=Reason.OTHER_INTENT_OPEN)
        )
    if any(intent.outcome in _MAY_BE_PAID for intent in others):
        return OrderVerdict(reason=Reason.ORDER_PAID)
    if not facts.is_complete or not facts.rows_are_known:
        return OrderVerdict(reason=Reason.ORDER_NOT_KNOWN)
    return OrderVerdict()


def paying_intent(row: Payment, own: Intent, facts: OrderFacts) -> Intent | None:
    """The intent that was paid, or holds money, in the place of the row's own; None if there is none.

    Only an intent that no row holds counts: what another row holds is that row's money. It was created no earlier than
    a day before the row, so that an order number used again does not bring up an old payment.
    """
    # two paid intents are a duplicate, not a replacement
    if own.outcome in PAID_OR_HELD or own.amount_received > 0:
        return None

    begin = row.created or own.created
    found = [
        intent
        for intent in facts.intents
        if intent.id != own.id
        and intent.id not in facts.held
        and intent.outcome in PAID_OR_HELD
        and intent.created >= begin - EARLIEST_INTENT
    ]
    # money that was taken says more than money that is held; of several the latest
    return max(
        found,
        key=lambda one: (one.outcome is Outcome.SUCCEEDED, one.created, one.id),
        default=None,
    )
