"""The tail source: Stripe's events since the last one that was handled. One read finds every change that has an event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Loaded, PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.rules.event_filter import asks_for_retrieve
from reconciler.engine.not_examined import Unexamined
from reconciler.engine.reads.fetcher import FetchedPage, Origin
from reconciler.engine.reads.recent_events import TAIL_TYPES
from reconciler.engine.report import Writing
from reconciler.engine.sources.source_reader import SourceReader
from reconciler.engine.sweep_context import Actor
from reconciler.errors import StripeRequestError, StripeUnavailableError

OVERLAP: Final = timedelta(seconds=60)
"""How far each tail reaches back behind its cursor, because Stripe may list an event a little late."""
DEEP_OVERLAP: Final = timedelta(minutes=15)
DEEP_EVERY: Final = timedelta(minutes=10)
"""How often a tail reaches back by ``DEEP_OVERLAP``."""
RETENTION: Final = timedelta(days=28)
"""Stripe keeps events for 30 days. Behind an older cursor some events may be gone."""
CURSOR: Final = "tail"
DEEP_CURSOR: Final = "tail.deep"


@dataclass(frozen=True, slots=True)
class TailStart:
    """From when a tail reads the events, and whether it reaches back by ``DEEP_OVERLAP``."""

    since: datetime
    is_deep: bool


class TailSource:
    """Reads the events of one sweep. The cursor moves in ``finish``, after every page has been recorded.

    Stripe lists the newest event first: if the cursor moved earlier, a crash would skip the older events. An event
    younger than the grace is left to a later sweep, because its webhook may be on the way.
    """

    def __init__(self, reader: SourceReader, actor: Actor) -> None:
        self._reader = reader
        self._stripe = reader.context.stripe
        self._store = reader.context.store
        self._rules = reader.context.rules
        self._actor = actor
        self._handled_until: datetime | None = None
        self._start: TailStart | None = None
        self._moves_cursor = False
        self._lost: list[str] = []
        self.fallback_note: str | None = None
        """Why the window has to be read instead of the tail, None if it has not."""

    def pages(self) -> Iterator[FetchedPage]:
        """The intents that the events ask to retrieve. What could not be read comes as a page of failures.

        If a person asks for a range, its events are read, and the cursor stays.
        """
        now = self._stripe.now()
        asked = self._reader.created_range(None)
        start = (
            self._find_start(now) if asked.since is None else TailStart(asked.since, is_deep=False)
        )
        if start is None:
            return
        self._start, self._moves_cursor = start, asked == TimeRange()

        after: str | None = None
        while True:
            try:
                page = self._stripe.list_events(
                    TimeRange(start.since, asked.until), TAIL_TYPES, after
                )
            except (StripeUnavailableError, StripeRequestError) as error:
                # Stripe lists the newest event first, so the older events are missing
                self._moves_cursor = False
                lost = Unexamined(f"the events since {start.since:%Y-%m-%d %H:%M:%S}", str(error))
                yield FetchedPage((), (lost,), Origin.EVENT)
                return
            yield from self._intents_of(page.events, now)
            after = page.next_after
            if after is None:
                # everything that is listed by now is handled; the overlap finds what Stripe lists late
                handled = self._handled_until or start.since
                self._handled_until = max(handled, now - self._rules.grace)
                return

    def finish(self, *, everything_recorded: bool) -> None:
        """Move the cursor past what was handled. An intent that could not be read gets a recheck instead."""
        if self._actor.writing is Writing.NOTHING or self._start is None:
            return
        epoch = self._actor.epoch
        if self._lost:
            why = "an event names this PaymentIntent, but Reconciler could not read it"
            rechecks = tuple(Recheck(intent, self._stripe.now(), why) for intent in self._lost)
            with self._store.transaction(epoch) as transaction:
                transaction.write(PageRecord(rechecks=rechecks))

        if not (self._moves_cursor and everything_recorded):
            return
        reached = {CURSOR: self._handled_until} if self._handled_until is not None else {}
        if self._start.is_deep:
            reached[DEEP_CURSOR] = self._stripe.now()
        self._store.move_cursors(reached, epoch)

    @property
    def failed(self) -> int:
        """How many intents get a recheck because they could not be read."""
        return len(self._lost)

    def _find_start(self, now: datetime) -> TailStart | None:
        """A minute before the newest handled event, and every ten minutes a quarter of an hour back.

        None if the events cannot be relied on: then the window has to be read.
        """
        cursors = self._store.cursors()
        # a cursor in the future was moved while a clock was wrong
        sound = {name: at for name, at in cursors.items() if at <= now + OVERLAP}
        handled, deep = sound.get(CURSOR), sound.get(DEEP_CURSOR)
        self._handled_until = handled
        if handled is None and CURSOR in cursors:
            self._fall_back(
                "The stored time of the last event lies in the future, because a clock was wrong when it was stored. "
                "Instead of Stripe's events (tail), Reconciler read all recent payments (window).",
                now,
            )
            return None
        if handled is None:
            # the other sources find what happened before the first sweep
            return TailStart(now - DEEP_OVERLAP - self._rules.grace, is_deep=True)

        latest = handled if deep is None else max(handled, deep)
        if now - latest > RETENTION:
            self._fall_back(
                f"Reconciler last read Stripe's events up to {latest:%Y-%m-%d %H:%M} UTC, and Stripe "
                "keeps events for 30 days only. Instead of the events (tail), Reconciler read all "
                "recent payments (window).",
                now,
            )
            return None
        usual = handled - OVERLAP
        if deep is None or now - deep >= DEEP_EVERY:
            return TailStart(min(usual, now - DEEP_OVERLAP), is_deep=True)
        return TailStart(usual, is_deep=False)

    def _fall_back(self, note: str, now: datetime) -> None:
        """Leave this sweep to the window, and begin anew from the present time."""
        self.fallback_note = note
        self._handled_until = now - self._rules.grace
        self._start, self._moves_cursor = TailStart(now, is_deep=True), True

    def _intents_of(self, events: Sequence[Event], now: datetime) -> Iterator[FetchedPage]:
        """Retrieve the intents of one page of events, if an event may differ from the table."""
        past_grace = [event for event in events if now - event.created >= self._rules.grace]
        if not past_grace:
            return
        # the overlap lists events again that an earlier sweep has handled
        seen = self._store.seen_events([event.id for event in past_grace])
        by_intent: dict[str, list[Event]] = defaultdict(list)
        for event in past_grace:
            if event.id not in seen and event.payment_intent is not None:
                by_intent[event.payment_intent].append(event)
        if not by_intent:
            return

        # an event only names its intent: if it differs from the row, the intent is retrieved before anything is decided
        wanted = self._wanted(by_intent, self._store.load(list(by_intent)))
        self._note_seen(
            [event for name, found in by_intent.items() if name not in wanted for event in found]
        )
        events_wanted = {name: tuple(by_intent[name]) for name in wanted}
        read = self._reader.fetcher.retrieve_pages(self._reader.unmet(wanted))
        for page in self._reader.with_rows(read):
            self._lost.extend(failure.what for failure in page.failures)
            yield replace(page, origin=Origin.EVENT, events=events_wanted)

    def _wanted(self, by_intent: Mapping[str, Sequence[Event]], loaded: Loaded) -> list[str]:
        """The intents of which an event differs from the table."""
        paid_orders = {
            (payment.order, payment.payment_intent) for payment in loaded.paid if payment.order
        }
        wanted = []
        for intent, events in by_intent.items():
            # a second payment for an order is a finding even if its own row agrees
            rows = [row for row in loaded.payments if row.payment_intent == intent]
            orders = {row.order for row in rows if row.order}
            is_paid_twice = any(order in orders and other != intent for order, other in paid_orders)
            if asks_for_retrieve(events, rows, self._rules, order_was_paid=is_paid_twice):
                wanted.append(intent)
        return wanted

    def _note_seen(self, events: Sequence[Event]) -> None:
        """Store events that need no retrieve as seen, so that the next overlap does not check them again."""
        if events and self._actor.writing is not Writing.NOTHING:
            with self._store.transaction(self._actor.epoch) as transaction:
                transaction.write(PageRecord(events=tuple(events)))
