"""Finds out which intents name an order: by the sweep's own list, or by a search, and by what was created since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match_facts import UnmatchedPayment
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import FINAL_AT_STRIPE, PAID_OR_HELD
from reconciler.engine.reads.fetcher import STALE_SECONDS, Fetcher
from reconciler.engine.report import SweepReport, Writing
from reconciler.engine.sweep_context import Actor, SweepContext
from reconciler.errors import SearchRefusedError, StripeRequestError, StripeUnavailableError

SEARCH_LAG: Final = timedelta(hours=1)
"""By so much Stripe's search may be behind in an outage (docs, "Search"); lists are never behind."""
OVERLAP: Final = timedelta(minutes=1)
"""A list begins so much before the end of the one before it."""
MOST_LIST_PAGES: Final = 50
"""More new intents than these pages hold are not read for one order."""
LONGEST_METADATA: Final = 500
"""Characters of a value (docs, "Metadata")."""
MOST_SEARCHED: Final = 10
"""After a search that Stripe refuses, so many orders are searched for one by one."""
TOO_MANY: Final = "Stripe's search shows more PaymentIntents for the order than Reconciler reads. Look at the order in Stripe's dashboard."
REFUSED_CURSOR: Final = "search_refused"
"""The cursor that remembers when Stripe last refused a search of this account."""
REFUSED_FOR: Final = timedelta(days=1)
_FRESH: Final = timedelta(seconds=STALE_SECONDS)
SEARCH_REFUSED: Final = (
    "Stripe refuses searches for this account, so Reconciler does not know every PaymentIntent of an order outside the"
    " listed range. It sets no row of such an order to failed or canceled (reason order_not_known)."
)


@dataclass(frozen=True, slots=True)
class KnownOrders:
    """The intents that name each order, and the orders of which no other intent can exist.

    ``unread`` are the orders of which something could not be read now, and why.
    """

    by_order: Mapping[str, Sequence[Intent]]
    complete: frozenset[str]
    unread: Mapping[str, str]


class OrderIntents:
    """The intents of orders, for one sweep.

    ``unmatched`` are the intents without a row that the sweep has read, ``elsewhere`` those that name another order than
    the one of their rows. ``listed_from`` is Stripe's time when the sweep's list began, None if it made none.
    """

    def __init__(
        self,
        context: SweepContext,
        actor: Actor,
        fetcher: Fetcher,
        report: SweepReport,
        unmatched: Callable[[], Iterable[Intent]],
        elsewhere: Iterable[Intent],
        listed_from: datetime | None,
    ) -> None:
        self._context = context
        self._actor = actor
        self._fetcher = fetcher
        self._report = report
        self._unmatched = unmatched
        self._elsewhere = elsewhere
        self._listed_from = listed_from
        self._recent: dict[str, Intent] = {}
        self._recent_since: datetime | None = None
        self._recent_until: datetime | None = None
        self._is_refused: bool | None = None
        self._unread: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        """Intents that could not be retrieved, and why."""

    def of_orders(self, listed: Iterable[str], others: Iterable[str]) -> KnownOrders:
        """What is known of orders. ``listed`` are those of which the sweep's own list shows every intent.

        Raises StripeUnavailableError if the others cannot be found out now.
        """
        self._unread = {}
        wanted = {*listed, *others}
        by_order: defaultdict[str, dict[str, Intent]] = defaultdict(dict)
        self._add(by_order, self._unmatched(), wanted)
        self._add(by_order, self._elsewhere, wanted)
        # a longer text stands in no metadata, so that the intents of such an order cannot be known
        complete = {order for order in listed if len(order) <= LONGEST_METADATA}
        searched = sorted(order for order in others if len(order) <= LONGEST_METADATA)
        key = self._context.rules.link_metadata
        if complete and key is not None and self._listed_from is not None:
            # the customer may have tried again while the list was read
            self._add(by_order, self._created_since(self._listed_from - OVERLAP), wanted)
        if searched and key is not None and not self._search_is_refused():
            try:
                found, known = self._search(key, searched)
            except SearchRefusedError:
                self._remember_refusal()
            else:
                recent = self._created_since(self._context.stripe.now() - SEARCH_LAG)
                self._add(by_order, [*recent, *found], wanted)
                complete |= known
        self._read_stale_again(by_order)
        return KnownOrders(
            {order: list(intents.values()) for order, intents in by_order.items()},
            frozenset(complete),
            dict(self._unread),
        )

    def unmatched_payments(self) -> tuple[UnmatchedPayment, ...]:
        """The intents without a row that this sweep has seen to have taken or to hold money."""
        return tuple(
            UnmatchedPayment(
                intent.id,
                intent.amount_received or intent.amount_capturable,
                intent.currency,
                intent.created,
            )
            for intent in self._unmatched()
            if intent.outcome in PAID_OR_HELD
        )

    def _add(
        self,
        by_order: defaultdict[str, dict[str, Intent]],
        intents: Iterable[Intent],
        wanted: set[str],
    ) -> None:
        key = self._context.rules.link_metadata
        if key is None:
            return
        for intent in intents:
            # what a search brings is held against the order by its exact text
            order = intent.metadata.get(key)
            if order in wanted:
                by_order[order][intent.id] = intent

    def _search(self, key: str, orders: Sequence[str]) -> tuple[list[Intent], set[str]]:
        """The intents that searches name, each retrieved, and the orders that were searched for to the end.

        A search decides nothing by itself. One takes a few orders; an order that no search took is not known, and
        neither is one that Stripe refuses to search for. None of them keeps the others from being known.
        """
        names: dict[str, str] = {}
        known: set[str] = set()
        waiting = list(orders)
        while waiting:
            try:
                found = self._context.stripe.search_intents(key, waiting)
            except StripeRequestError:
                values: Sequence[str] = waiting[:MOST_SEARCHED]
                is_whole = False
            else:
                values, is_whole = found.values, found.is_whole
                names |= {one.id: one.metadata.get(key, "") for one in found.intents}
                if not is_whole and len(values) == 1:
                    self._unread[values[0]] = TOO_MANY
            if is_whole:
                known.update(values)
            elif len(values) > 1:
                # together there are too many results, or one of them is refused: each order alone
                for order in values:
                    more, alone = self._search(key, [order])
                    names |= {one.id: order for one in more}
                    known |= alone
            waiting = waiting[max(1, len(values)) :]
        read = self.retrieve(names)
        self._unread |= {names[one]: why for one, why in self.lost.items() if one in names}
        return read, known

    def retrieve(self, intents: Iterable[str]) -> list[Intent]:
        """These intents, as Stripe shows them now. Those that cannot be read are ``lost``."""
        page = self._fetcher.retrieve_again(sorted(intents))
        for answer in page.answers:
            self.lost.pop(answer.intent.id, None)
        self.lost |= {failure.what: failure.why for failure in page.failures}
        return [answer.intent for answer in page.answers if isinstance(answer.intent, Intent)]

    def _read_stale_again(self, by_order: Mapping[str, dict[str, Intent]]) -> None:
        """Retrieve those that may have been paid since they were read."""
        now = self._context.stripe.now()
        stale = {
            name
            for intents in by_order.values()
            for name, intent in intents.items()
            if intent.outcome not in FINAL_AT_STRIPE and now - intent.seen_at > _FRESH
        }
        if not stale:
            return
        fresh = {intent.id: intent for intent in self.retrieve(stale)}
        for order, intents in by_order.items():
            intents.update({name: fresh[name] for name in intents.keys() & fresh.keys()})
            for name in intents.keys() & self.lost.keys():
                self._unread[order] = self.lost[name]

    def _created_since(self, since: datetime) -> list[Intent]:
        """Every intent that was created since then, as of now: a search, and an older list, may not show them.

        A second reading lists only what came after the first.
        """
        stripe = self._context.stripe
        begin = since
        if self._recent_since is not None and self._recent_until is not None:
            if self._recent_since <= since:
                begin = max(since, self._recent_until - OVERLAP)
            since = min(since, self._recent_since)
        now = stripe.now()
        after: str | None = None
        for _ in range(MOST_LIST_PAGES):
            page = stripe.list_intents(TimeRange(since=begin), after)
            self._recent.update({intent.id: intent for intent in page.intents})
            after = page.next_after
            if after is None:
                self._recent_since, self._recent_until = since, now
                return list(self._recent.values())
        raise StripeUnavailableError(
            f"More than {MOST_LIST_PAGES * 100:,} intents were created since {begin:%Y-%m-%d %H:%M:%S}.",
            "The sweep tries again.",
        )

    def _search_is_refused(self) -> bool:
        if self._is_refused is None:
            refused_at = self._context.store.cursors().get(REFUSED_CURSOR)
            now = self._context.stripe.now()
            self._is_refused = refused_at is not None and now - refused_at < REFUSED_FOR
            if self._is_refused:
                self._report.notes.append(SEARCH_REFUSED)
        return self._is_refused

    def _remember_refusal(self) -> None:
        self._is_refused = True
        self._report.notes.append(SEARCH_REFUSED)
        if self._actor.writing is not Writing.NOTHING:
            now = self._context.stripe.now()
            self._context.store.move_cursors({REFUSED_CURSOR: now}, self._actor.epoch)
