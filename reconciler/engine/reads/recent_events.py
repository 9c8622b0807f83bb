"""What has just happened: events so new that their webhooks may still be on the way."""

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

LONGEST_LOOK: Final = 200
"""Pages of events. A reading that needs more would be old itself before it ended."""
OVERLAP: Final = timedelta(minutes=2)
"""How far a reading reaches back behind the one before it: events may be listed a little late."""


@dataclass(frozen=True, slots=True)
class RecentEvents:
    """The events known of each intent, and Stripe's time at the reading."""

    events: Mapping[str, tuple[Event, ...]]
    now: datetime


class RecentEventReader:
    """The looks of one sweep. Each reads what has come since the one before; what a page needs is always covered."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._known: dict[str, Event] = {}
        self._since: datetime | None = None
        self._until: datetime | None = None

    def read(self, since: datetime) -> RecentEvents:
        """All events created since then, as of now.

        Raises what Stripe's port raises, and StripeUnavailableError where there are more than one reading can hold.
        """
        begin = since
        if self._since is not None and self._until is not None and self._since <= since:
            begin = max(since, self._until - OVERLAP)
        now = self._read(begin)
        self._since = since if self._since is None else min(self._since, since)
        self._until = now
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self._known.values():
            if event.payment_intent is not None and event.created >= since:
                found[event.payment_intent].append(event)
        return RecentEvents({intent: tuple(events) for intent, events in found.items()}, now)

    def _read(self, since: datetime) -> datetime:
        after: str | None = None
        for _ in range(LONGEST_LOOK):
            page = self._stripe.list_events(TimeRange(since=since), CHANGING_TYPES, after)
            self._known.update({event.id: event for event in page.events})
            after = page.next_after
            if after is None:
                return page.seen_at
        raise StripeUnavailableError(
            f"more than {LONGEST_LOOK * 100:,} events have happened since {since.isoformat()}:"
            " the reading of recent events did not end.",
            "Run the sweep again, with a shorter grace or at a quieter hour.",
        )


def read_recent_events(stripe: Stripe, since: datetime) -> RecentEvents:
    """One reading by itself."""
    return RecentEventReader(stripe).read(since)
