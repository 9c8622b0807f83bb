"""The recent events: those that are so new that their webhooks may still be on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Event
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.ports import Stripe
from reconciler.errors import StripeUnavailableError

_EVENT_TYPES: Final = (
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
    "charge.refunded",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
"""The event types that both the tail and the recent events ask for. One query takes 20 types at most."""
RECENT_TYPES: Final = (
    *_EVENT_TYPES,
    "charge.failed",
    "charge.pending",
    "charge.succeeded",
    "charge.updated",
)
"""The events after which an intent or its charge is not what it was."""
TAIL_TYPES: Final = (
    *_EVENT_TYPES,
    "charge.dispute.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
"""The events after which a row may have to change."""

MOST_PAGES: Final = 200
"""The most pages of events that one reading takes. A longer reading would be outdated before its end."""
OVERLAP: Final = timedelta(minutes=2)
"""How far a reading reaches back behind the one before it, because Stripe may list an event a little late."""


@dataclass(frozen=True, slots=True)
class RecentEvents:
    """The recent events by intent, and Stripe's time when they were read."""

    events: Mapping[str, tuple[Event, ...]]
    now: datetime


class RecentEventReader:
    """Reads the recent events for one sweep. Each reading asks Stripe only for what came since the one before."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._known: dict[str, Event] = {}
        self._since: datetime | None = None
        self._until: datetime | None = None

    def read(self, since: datetime) -> RecentEvents:
        """All events created since then, as of now.

        Raises what Stripe's port raises, and StripeUnavailableError if there are too many events for one reading.
        """
        begin = since
        if self._since is not None and self._until is not None and self._since <= since:
            begin = max(since, self._until - OVERLAP)
        now = self._read(begin)
        self._since = since if self._since is None else min(self._since, since)
        self._until = now

        by_intent: dict[str, list[Event]] = defaultdict(list)
        for event in self._known.values():
            if event.payment_intent is not None and event.created >= since:
                by_intent[event.payment_intent].append(event)
        return RecentEvents({intent: tuple(events) for intent, events in by_intent.items()}, now)

    def _read(self, since: datetime) -> datetime:
        after: str | None = None
        for _ in range(MOST_PAGES):
            page = self._stripe.list_events(TimeRange(since=since), RECENT_TYPES, after)
            self._known.update({event.id: event for event in page.events})
            after = page.next_after
            if after is None:
                return page.seen_at
        raise StripeUnavailableError(
            f"more than {MOST_PAGES * 100:,} events have happened since {since.isoformat()}:"
            " the reading of the recent events did not end.",
            "Run the sweep again, with a shorter grace or at a quieter hour.",
        )


def read_recent_events(stripe: Stripe, since: datetime) -> RecentEvents:
    """One reading by itself."""
    return RecentEventReader(stripe).read(since)
