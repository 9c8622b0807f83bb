"""Intents that no row holds. They are decided at the end of a sweep, when all intents that name their order are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.looked_up_id import UNKNOWN_AGAIN, IdPair
from reconciler.domain.model.match import Match
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment, StoredIdKind, stored_id
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import PAGE_SIZE
from reconciler.domain.rules.described_order import described_order
from reconciler.domain.rules.matching import candidates, match_by_id, match_by_order, named_order
from reconciler.engine.page.orders_of_unmatched import OrdersOfUnmatched
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher
from reconciler.engine.reads.recent_events import RecentEvents
from reconciler.engine.report import DecisionKind, ReportLine, SweepReport, Writing
from reconciler.engine.sweep_context import Actor, StopToken, SweepContext
from reconciler.errors import StripeUnavailableError

MOST: Final = 100_000
"""The most intents that a sweep keeps: about a hundred megabytes."""
WHAT: Final = "intents without a row"
WHY_WAIT: Final = "an intent of its order has just changed"


class UnmatchedIntents:
    """Collects the intents that no row holds, and decides about them at the end of the sweep."""

    def __init__(self, context: SweepContext, actor: Actor, report: SweepReport) -> None:
        self._store = context.store
        self._clock = context.clock
        self._rules = context.rules
        self._account = actor.account
        self._stores = actor.writing is not Writing.NOTHING
        self._report = report
        self._answers: list[FetchedIntent] = []
        self._events: dict[str, tuple[Event, ...]] = {}
        self._pays_for_row: frozenset[str] = frozenset()
        self.is_whole = True
        """Whether every intent without a row that the sweep has met is kept."""
        self.orders: OrdersOfUnmatched | None = None  # finds out what no list shows

    def __len__(self) -> int:
        return len(self._answers)

    def add(
        self, answers: Sequence[FetchedIntent], events: Mapping[str, tuple[Event, ...]]
    ) -> None:
        """Keep these answers, with the events because of which the tail read them. What exceeds MOST is reported."""
        kept = answers[: max(0, MOST - len(self._answers))]
        self._answers.extend(kept)
        for answer in kept:
            if answer.intent.id in events:
                self._events[answer.intent.id] = events[answer.intent.id]
        if len(kept) < len(answers):
            self.is_whole = False
            why = (
                f"A sweep examines at most {MOST:,} PaymentIntents without a row. Choose a shorter "
                "range, or set [payments] metadata so that fewer PaymentIntents count as yours."
            )
            self._report.miss(WHAT, why, len(answers) - len(kept))

    def intents(self) -> Iterator[Intent]:
        """The intents that were kept."""
        return (one.intent for one in self._answers if isinstance(one.intent, Intent))

    @property
    def oldest(self) -> datetime:
        """When the first of them was created. There must be one."""
        return min(intent.created for intent in self.intents())

    def exclude(self, pays_for_row: frozenset[str]) -> None:
        """These intents paid for the order of a row, and a finding about that row names them."""
        self._pays_for_row |= pays_for_row

    def drop(self, why: str) -> None:
        """Report all of them as not examined."""
        self._report.miss(WHAT, why, len(self._answers))
        self._answers = []
        self.is_whole = False

    def decide_all(
        self,
        pages_to_record: PagesToRecord,
        fetcher: Fetcher,
        listed: TimeRange | None,
        stop_token: StopToken,
    ) -> None:
        """Match them to rows by their orders, or find that there is no row, and record that.

        ``listed`` is the range of creation in which every intent is known. All intents of an order wait if one of
        them has just changed, could not be read again, or is not among those of this sweep. Raises StoppedError after
        a page is recorded.
        """
        if not self._answers:
            return
        lost_orders = self._fetch_stale_again(fetcher)
        try:
            oldest = min(answer.intent.seen_at for answer in self._answers)
            recent = pages_to_record.recent_events.read(oldest - self._rules.grace)
        except StripeUnavailableError as error:
            self.drop(f"The recent events could not be read: {error}")
            return

        # of an order either all intents are decided or none, because one of them decides about the others
        waiting_orders = self._changing_orders(recent) | lost_orders
        by_order = self._pages_by_order()
        # if a lookup scans the table, several pages are matched by one scan; each is still decided alone
        while pages := list(islice(by_order, self._store.pages_at_once)):
            answers = [answer for page in pages for answer in page]
            matches, loaded = self._match(
                pages_to_record, fetcher, answers, listed, recent, waiting_orders
            )
            for page in pages:
                self._decide(pages_to_record, page, matches, loaded)
                stop_token.raise_if_lease_lost()
                if pages_to_record.is_full or stop_token.is_stopping:
                    pages_to_record.record_all(stop_token.raise_if_lease_lost)
                    stop_token.raise_if_stopping()
        pages_to_record.record_all(stop_token.raise_if_lease_lost)
        stop_token.raise_if_stopping()

    def _match(
        self,
        pages_to_record: PagesToRecord,
        fetcher: Fetcher,
        answers: Sequence[FetchedIntent],
        listed: TimeRange | None,
        recent: RecentEvents,
        waiting_orders: frozenset[str],
    ) -> tuple[Sequence[Match], Loaded]:
        """The answers of one page or several, matched to the rows of their orders, and what was loaded for that."""
        # imported here: a sweep that meets no intent without a row does not need it
        from reconciler.engine.page.retried_orders import RetriedOrders

        late = [answer for answer in answers if self._order(answer) in waiting_orders]
        self._wait(pages_to_record, late, recent)

        examined = (one.intent for one in answers if self._order(one) not in waiting_orders)
        intents = [intent for intent in examined if isinstance(intent, Intent)]
        intents = self._decide_joined(pages_to_record, answers, intents, listed)
        retried = RetriedOrders(self._account, self._store, self._rules).find(
            intents, pages_to_record.reconciler, fetcher
        )
        pays_for_row: frozenset[str] = self._pays_for_row
        if retried is not None:
            retried.add_to(pages_to_record)
            pays_for_row |= retried.named
            waiting = [answer for answer in answers if answer.intent.id in retried.waiting]
            self._wait(pages_to_record, waiting, recent)
            intents = [intent for intent in intents if intent.id not in retried.waiting]
        orders = {order for intent in intents if (order := self._order_of(intent))}
        loaded = self._store.load([intent.id for intent in intents], sorted(orders))
        join = self.orders.match if self.orders else match_by_order
        matches = [
            replace(match, payments=(), facts=replace(match.facts, pays_for_row=True))
            if match.intent.id in pays_for_row
            else match
            for match in join(self._account, intents, loaded, self._rules, listed)
        ]
        return self._with_excluded_rows(matches), loaded

    def _decide(
        self,
        pages_to_record: PagesToRecord,
        answers: Sequence[FetchedIntent],
        matches: Sequence[Match],
        loaded: Loaded,
    ) -> None:
        """Decide about one page of the answers that were matched together."""
        intents = {answer.intent.id for answer in answers}
        matches = [match for match in matches if match.intent.id in intents]
        # pages may be recorded together, and then what each of them has is put together
        loaded = replace(
            loaded,
            known=tuple(item for item in loaded.known if item.intent in intents),
            events=tuple(item for item in loaded.events if item.payment_intent in intents),
            waiting=tuple(item for item in loaded.waiting if item.payment_intent in intents),
        )

        # a match with a row is recorded under the row's lock; a match without one has nothing to lock
        with_row = [match for match in matches if match.payments]
        without_row = [match for match in matches if not match.payments]
        for together in (with_row, without_row):
            decided_page = pages_to_record.reconciler.decide_matches(together, loaded, self._events)
            pages_to_record.add(decided_page, answers)

    def _decide_joined(
        self,
        pages_to_record: PagesToRecord,
        answers: Sequence[FetchedIntent],
        intents: Sequence[Intent],
        listed: TimeRange | None,
    ) -> list[Intent]:
        """Decide about the intents whose row holds their Checkout Session or charge; returns the others."""
        self._join_by_order(intents, listed)
        loaded = self._store.load([intent.id for intent in intents])
        joined = {
            row.payment_intent for row in loaded.payments if row.column_text != row.payment_intent
        }
        if joined:
            found = [intent for intent in intents if intent.id in joined]
            matches = match_by_id(self._account, found, loaded, {})
            page = pages_to_record.reconciler.decide_matches(matches, loaded, self._events)
            pages_to_record.add(page, answers)
        return [intent for intent in intents if intent.id not in joined]

    def _join_by_order(self, intents: Sequence[Intent], listed: TimeRange | None) -> None:
        """Join the one row of an order that holds a Checkout Session to the one intent that names the order."""
        by_order: defaultdict[str, list[Intent]] = defaultdict(list)
        for intent in intents:
            if (order := named_order(intent, self._rules)) is not None:
                by_order[order].append(intent)
        rows_of: defaultdict[str | None, list[Payment]] = defaultdict(list)
        for row in self._store.rows_of_orders(sorted(by_order)) if by_order else ():
            rows_of[row.order].append(row)

        pairs = []
        for order, named in by_order.items():
            rows = rows_of[order]
            possible = candidates(named, rows, listed)
            if len(rows) == 1 and len(possible) == 1 and _holds_session(rows[0]):
                # the session has the last word as soon as Stripe shows it
                again = possible[0].seen_at + UNKNOWN_AGAIN
                pairs.append(IdPair(rows[0].payment_intent or "", possible[0].id, again))
        self._store.remember_pairs(pairs, store=self._stores)

    def _with_excluded_rows(self, matches: Sequence[Match]) -> list[Match]:
        """The matches with the rows that hold their intents and are outside the mapping or of another account."""
        intents = [match.intent.id for match in matches if not match.payments]
        excluded: defaultdict[str | None, list[Payment]] = defaultdict(list)
        for row in self._store.holders(intents):
            if row.excluded:
                excluded[row.payment_intent].append(row)
        return [
            replace(
                match,
                facts=replace(match.facts, excluded_rows=tuple(excluded[match.intent.id])),
            )
            if match.intent.id in excluded and not match.payments
            else match
            for match in matches
        ]

    def _wait(
        self,
        pages_to_record: PagesToRecord,
        answers: Sequence[FetchedIntent],
        recent: RecentEvents,
    ) -> None:
        # by then the webhook of the change has arrived, or is lost
        until = recent.now + self._rules.grace
        pages_to_record.store_rechecks(
            [Recheck(answer.intent.id, until, WHY_WAIT) for answer in answers]
        )
        if pages_to_record.totals is not None:
            intents = (one.intent for one in answers if isinstance(one.intent, Intent))
            pages_to_record.totals.add_waiting(intents)
        self._report.examined += len(answers)
        self._report.waiting += len(answers)
        for answer in answers:
            self._report.add_line(ReportLine(DecisionKind.WAIT, answer.intent.id, (), why=WHY_WAIT))

    def _order(self, answer: FetchedIntent) -> str | None:
        return self._order_of(answer.intent) if isinstance(answer.intent, Intent) else None

    def _order_of(self, intent: Intent) -> str | None:
        """The order that an intent names, or may name by its description."""
        order = named_order(intent, self._rules)
        if order is None and self._rules.link_description:
            return described_order(intent, self._rules)
        return order

    def _fetch_stale_again(self, fetcher: Fetcher) -> frozenset[str]:
        """Fetch the stale answers again. Returns the orders of those that could not be read."""
        now = self._clock.monotonic()
        stale = {
            answer.intent.id: self._order(answer)
            for answer in self._answers
            if answer.is_stale(now)
        }
        fetched: dict[str, FetchedIntent] = {}
        for page in fetcher.retrieve_pages(stale):
            fetched.update({answer.intent.id: answer for answer in page.answers})
            for failure in page.failures:
                self._report.miss(failure.what, failure.why)

        # an order with an unreadable intent is not known, so all of its intents have to wait
        lost = stale.keys() - fetched.keys()
        self.is_whole = self.is_whole and not lost
        self._answers = [
            fetched.get(answer.intent.id, answer)
            for answer in self._answers
            if answer.intent.id not in lost
        ]
        return frozenset(order for intent in lost if (order := stale[intent]) is not None)

    def _changing_orders(self, recent: RecentEvents) -> frozenset[str]:
        """The orders with an event that is so new that an answer about one of their intents may be outdated."""
        known = {answer.intent.id: answer for answer in self._answers}
        orders: set[str] = set()
        for name, events in recent.events.items():
            answer = known.get(name)
            if answer is not None:
                order = self._order(answer)
                newest = max(event.created for event in events)
                if order is not None and newest >= answer.intent.seen_at - self._rules.grace:
                    orders.add(order)
            elif self._rules.link_metadata is not None:
                # an intent that this sweep has not read may name an order of the table
                snapshots = (event.snapshot for event in events if event.snapshot is not None)
                orders.update(
                    order
                    for snapshot in snapshots
                    if (order := snapshot.metadata.get(self._rules.link_metadata))
                )
        return frozenset(orders)

    def _pages_by_order(self) -> Iterator[list[FetchedIntent]]:
        """Pages of about a hundred answers, with all intents of an order on one page."""
        groups: dict[str, list[FetchedIntent]] = {}
        for answer in self._answers:
            order = self._order(answer)
            name = f"order {order}" if order else f"intent {answer.intent.id}"
            groups.setdefault(name, []).append(answer)

        # a page may have more than a hundred answers, because an order is never split
        page: list[FetchedIntent] = []
        for group in groups.values():
            page.extend(group)
            if len(page) >= PAGE_SIZE:
                yield page
                page = []
        if page:
            yield page


def _holds_session(row: Payment) -> bool:
    """Whether a row holds a Checkout Session of which no intent is known."""
    return stored_id(row.payment_intent or "").kind is StoredIdKind.SESSION
