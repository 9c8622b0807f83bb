"""The tail: Stripe's events since the last one handled. One read a tick finds every change that has an event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Rules
from reconciler.domain.model.page import Loaded, PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.rules.event_filter import asks_for_retrieve
from reconciler.engine.actor import Actor
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher, Origin
from reconciler.engine.report import Unexamined, Writing
from reconciler.errors import StripeRequestError, StripeUnavailableError

TAIL_TYPES: Final = (
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
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
"""The events after which a row may have to change; one query takes 20 types at most."""

OVERLAP: Final = timedelta(seconds=60)
"""Events may be listed a little after they were created."""
DEEP_OVERLAP: Final = timedelta(minutes=15)
DEEP_EVERY: Final = timedelta(minutes=10)
RETENTION: Final = timedelta(days=28)
"""Stripe keeps events for 30 days; an older cursor may have lost some."""
CURSOR: Final = "tail"
DEEP_CURSOR: Final = "tail.deep"


@dataclass(frozen=True, slots=True)
class Reach:
    """From when a sweep reads, and whether it reaches back further than usual."""

    since: datetime
    deep: bool


class Tail:
    """Reads the events of one sweep. The cursor moves in ``finish``, when every page has been recorded.

    Events are read newest first, so that a cursor moved earlier would skip the rest after a crash. An event younger
    than the grace is left for a later sweep: its webhook may be on the way.
    """

    def __init__(self, stripe: Stripe, store: Store, rules: Rules, actor: Actor) -> None:
        self._stripe = stripe
        self._store = store
        self._rules = rules
        self._actor = actor
        self._handled_until: datetime | None = None
        self._reach: Reach | None = None
        self._moves = False
        self._lost: list[str] = []
        self.is_too_old = False
        self.too_old = ""

    def pages(
        self,
        fetcher: Fetcher,
        unmet: Callable[[Iterable[str]], Iterator[str]],
        asked: TimeRange,
    ) -> Iterator[FetchedPage]:
        """The intents that the events ask to look at, and pages without an answer for what could not be read.

        ``asked`` is the range that a person wants; where it has a bound, the cursor stays where it is.
        """
        now = self._stripe.now()
        bounded = asked != TimeRange()
        reach = self._reached(now) if asked.since is None else Reach(asked.since, deep=False)
        if reach is None:
            return
        self._reach, self._moves = reach, not bounded
        after: str | None = None
        while True:
            try:
                page = self._stripe.list_events(
                    TimeRange(reach.since, asked.until), TAIL_TYPES, after
                )
            except (StripeUnavailableError, StripeRequestError) as error:
                self._moves = False
                lost = Unexamined(f"the events since {reach.since:%Y-%m-%d %H:%M:%S}", str(error))
                yield FetchedPage((), (lost,), Origin.EVENT)
                return
            yield from self._of(page.events, fetcher, unmet, now)
            after = page.next_after
            if after is None:
                # all that has come to be listed until now is handled; what is listed late is met by the overlap
                self._handled_until = max(
                    self._handled_until or reach.since, now - self._rules.grace
                )
                return

    def finish(self, *, everything_recorded: bool) -> None:
        """Move the cursor past what was handled; an intent that could not be read leaves a check instead."""
        if self._actor.writing is Writing.NOTHING or self._reach is None:
            return
        epoch = self._actor.epoch
        if self._lost:
            why = "an event names it, and it could not be read"
            rechecks = tuple(Recheck(intent, self._stripe.now(), why) for intent in self._lost)
            with self._store.transaction(epoch) as transaction:
                transaction.write(PageRecord(rechecks=rechecks))
        if not (self._moves and everything_recorded):
            return
        reached = {CURSOR: self._handled_until} if self._handled_until is not None else {}
        if self._reach.deep:
            reached[DEEP_CURSOR] = self._stripe.now()
        self._store.move_cursors(reached, epoch)

    @property
    def failed(self) -> int:
        """How many intents left a check because they could not be read."""
        return len(self._lost)

    def _reached(self, now: datetime) -> Reach | None:
        """Where to begin: a minute before the newest event handled, every ten minutes a quarter of an hour back."""
        cursors = self._store.cursors()
        # a cursor of the future was moved by a clock that was wrong: it is none
        sound = {name: at for name, at in cursors.items() if at <= now + OVERLAP}
        handled, deep = sound.get(CURSOR), sound.get(DEEP_CURSOR)
        self._handled_until = handled
        if handled is None and CURSOR in cursors:
            said = "lies in the future, where a clock that was wrong has moved it"
            self._fall_back(f"The tail's cursor {said}: the window was read instead.", now)
            return None
        if handled is None:
            # what happened before the first sweep is for the other nets
            return Reach(now - DEEP_OVERLAP - self._rules.grace, deep=True)
        latest = handled if deep is None else max(handled, deep)
        if now - latest > RETENTION:
            self._fall_back(
                f"The tail was last read until {latest:%Y-%m-%d %H:%M} UTC, and Stripe keeps events for"
                " 30 days: the window was read instead.",
                now,
            )
            return None
        usual = handled - OVERLAP
        if deep is None or now - deep >= DEEP_EVERY:
            return Reach(min(usual, now - DEEP_OVERLAP), deep=True)
        return Reach(usual, deep=False)

    def _fall_back(self, why: str, now: datetime) -> None:
        """Let the window do it this time, and begin anew from the present."""
        self.is_too_old = True
        self.too_old = why
        self._handled_until = now - self._rules.grace
        self._reach, self._moves = Reach(now, deep=True), True

    def _of(
        self,
        events: Sequence[Event],
        fetcher: Fetcher,
        unmet: Callable[[Iterable[str]], Iterator[str]],
        now: datetime,
    ) -> Iterator[FetchedPage]:
        ripe = [event for event in events if now - event.created >= self._rules.grace]
        if not ripe:
            return
        seen = self._store.seen_events([event.id for event in ripe])
        named: dict[str, list[Event]] = defaultdict(list)
        for event in ripe:
            if event.id not in seen and event.payment_intent is not None:
                named[event.payment_intent].append(event)
        if not named:
            return
        wanted = self._wanted(named, self._store.load(list(named)))
        self._note(
            [event for name, found in named.items() if name not in wanted for event in found]
        )
        by_intent = {name: tuple(named[name]) for name in wanted}
        for page in fetcher.retrieve_pages(unmet(wanted)):
            self._lost.extend(failure.what for failure in page.failures)
            yield replace(page, origin=Origin.EVENT, events=by_intent)

    def _wanted(self, named: Mapping[str, Sequence[Event]], loaded: Loaded) -> list[str]:
        """The intents whose events differ from what the table says."""
        paid_orders = {
            (payment.order, payment.payment_intent) for payment in loaded.paid if payment.order
        }
        wanted = []
        for intent, events in named.items():
            rows = [row for row in loaded.payments if row.payment_intent == intent]
            orders = {row.order for row in rows if row.order}
            twice = any(order in orders and other != intent for order, other in paid_orders)
            if asks_for_retrieve(events, rows, self._rules, order_was_paid=twice):
                wanted.append(intent)
        return wanted

    def _note(self, events: Sequence[Event]) -> None:
        """Remember events that need no look, so that the overlap does not bring them up again."""
        if events and self._actor.writing is not Writing.NOTHING:
            with self._store.transaction(self._actor.epoch) as transaction:
                transaction.write(PageRecord(events=tuple(events)))
