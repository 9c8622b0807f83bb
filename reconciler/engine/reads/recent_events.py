"""The recent events: those that are so new that their webhooks may still be on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

_OUTCOME_TYPES: Final = (
    "payment_intent.processing",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
"""The events of which a row may have missed the webhook."""
MOST_HISTORY_PAGES: Final = 10
"""The most pages of older events that a sweep reads only to say why webhooks were missed."""
MOST_PAGES: Final = 200
"""The most pages of events that one reading takes. A longer reading would be outdated before its end."""
OVERLAP: Final = timedelta(minutes=2)
"""How far a reading reaches back behind the one before it, because Stripe may list an event a little late."""


@dataclass(frozen=True, slots=True)
class EventHistory:
    """Older events by intent: they say why a webhook was missed, and nothing else.

    ``since`` is the time from which on every event of an outcome is known, None if there is no such time.
    """

    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    since: datetime | None = None


NO_HISTORY: Final = EventHistory()


@dataclass(frozen=True, slots=True)
class RecentEvents:
    """The recent events by intent, and Stripe's time when they were read."""

    events: Mapping[str, tuple[Event, ...]]
    now: datetime
    history: EventHistory


class RecentEventReader:
    """Reads the recent events for one sweep. Each reading asks Stripe only for what came since the one before."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._known: dict[str, Event] = {}
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._known_since: datetime | None = None
        self._history_pages_left = MOST_HISTORY_PAGES

    def read(self, since: datetime, history_since: datetime | None = None) -> RecentEvents:
        """All events created since then, as of now, and as much of the history since ``history_since`` as is allowed.

        Raises what Stripe's port raises, and StripeUnavailableError if there are too many events for one reading.
        """
        begin = since
        if self._since is not None and self._until is not None and self._since <= since:
            begin = max(since, self._until - OVERLAP)
        # one list often has the history as well, and then it costs no read of its own
        first = begin
        if history_since is not None and self._known_since is None:
            first = min(begin, history_since)
        now = self._read(first, begin)
        self._since = since if self._since is None else min(self._since, since)
        self._until = now
        if history_since is not None:
            self._read_history(history_since)

        recent: dict[str, list[Event]] = defaultdict(list)
        older: dict[str, list[Event]] = defaultdict(list)
        for event in self._known.values():
            if event.payment_intent is not None:
                by_intent = recent if event.created >= since else older
                by_intent[event.payment_intent].append(event)
        history = EventHistory(_as_tuples(older), self._known_since)
        return RecentEvents(_as_tuples(recent), now, history)

    def _read(self, first: datetime, begin: datetime) -> datetime:
        """Read back to ``begin``, and to ``first`` as far as the last of these pages reaches."""
        after: str | None = None
        for _ in range(MOST_PAGES):
            page = self._stripe.list_events(TimeRange(since=first), RECENT_TYPES, after)
            self._known.update({event.id: event for event in page.events})
            after = page.next_after
            reached = first if after is None else _whole_since(page.events, first)
            if reached is not None and reached <= begin:
                self._note_known_since(reached)
                return page.seen_at
        raise StripeUnavailableError(
            f"more than {MOST_PAGES * 100:,} events have happened since {begin.isoformat()}:"
            " Reconciler stopped reading them.",
            "Run the sweep again, with a shorter grace or at a quieter hour.",
        )

    def _read_history(self, since: datetime) -> None:
        """Read older events of outcomes, the newest first, until all since then are known or enough pages were read."""
        known_since = self._known_since
        after: str | None = None
        while self._history_pages_left and known_since is not None and since < known_since:
            self._history_pages_left -= 1
            created = TimeRange(since=since, until=known_since)
            try:
                page = self._stripe.list_events(created, _OUTCOME_TYPES, after)
            except StripeUnavailableError:
                # no decision depends on the history, so the sweep goes on without it
                self._history_pages_left = 0
                return
            self._known.update({event.id: event for event in page.events})
            after = page.next_after
            self._note_known_since(since if after is None else _whole_since(page.events, since))
            if after is None:
                return

    def _note_known_since(self, reached: datetime | None) -> None:
        known = self._known_since
        if reached is None:
            return
        self._known_since = reached if known is None else min(known, reached)


def _whole_since(events: Sequence[Event], first: datetime) -> datetime | None:
    """From when on everything is known after a page that is not the last one: the next page may share its last second."""
    oldest = min((event.created for event in events), default=None)
    return None if oldest is None else max(first, oldest + timedelta(seconds=1))


def _as_tuples(events: Mapping[str, list[Event]]) -> dict[str, tuple[Event, ...]]:
    return {intent: tuple(found) for intent, found in events.items()}


def read_recent_events(stripe: Stripe, since: datetime) -> RecentEvents:
    """One reading by itself."""
    return RecentEventReader(stripe).read(since)
