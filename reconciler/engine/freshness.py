"""The look at what has just happened: events so new that their webhooks may still be on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.domain.intent import Event
from reconciler.domain.page import TimeRange
from reconciler.engine.ports import Stripe
from reconciler.errors import StripeUnavailableError

CHANGING_TYPES: Final = (
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.amount_capturable_updated",
    "payment_intent.partially_funded",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.captured",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.refund.updated",
    "charge.succeeded",
    "charge.updated",
    "charge.dispute.created",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
"""The events after which an intent or its charge is not what it was; one query takes 20 types at most."""

LONGEST_LOOK: Final = 50
"""Pages of events. A look that needs more would be stale itself before it ended."""


@dataclass(frozen=True, slots=True)
class Look:
    """The events known of each intent, and Stripe's time at the look."""

    events: Mapping[str, tuple[Event, ...]]
    now: datetime


def look(stripe: Stripe, since: datetime) -> Look:
    """Read all events created since then.

    Raises what Stripe's port raises, and StripeUnavailableError where there are more than a look can hold.
    """
    found: dict[str, list[Event]] = defaultdict(list)
    after: str | None = None
    for _ in range(LONGEST_LOOK):
        page = stripe.list_events(TimeRange(since=since), CHANGING_TYPES, after)
        for event in page.events:
            if event.payment_intent is not None:
                found[event.payment_intent].append(event)
        after = page.next_after
        if after is None:
            return Look({intent: tuple(events) for intent, events in found.items()}, page.seen_at)
    raise StripeUnavailableError(
        f"more than {LONGEST_LOOK * 100} events have happened since {since.isoformat()}:"
        " the look at fresh events did not end.",
        "Run the pass again, with a shorter grace or at a quieter hour.",
    )
