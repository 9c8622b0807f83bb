"""Intents that no row holds: judged at the end of a sweep, when it is known who else names their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.page import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.domain.planning.planner import PAGE_SIZE
from reconciler.domain.rules.matching import match_by_order, named_order
from reconciler.engine.page.pages_to_record import STALE_SECONDS, PagesToRecord
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher
from reconciler.engine.reads.recent_events import RecentEvents
from reconciler.engine.report import DecisionKind, ReportLine, SweepReport
from reconciler.engine.stop_token import StopToken
from reconciler.errors import StripeUnavailableError

MOST: Final = 100_000
"""So many are kept in mind at most: about a hundred megabytes."""
WHY: Final = "an intent of its order has just changed"
_FINAL: Final = frozenset({Outcome.SUCCEEDED, Outcome.CANCELED})


class UnmatchedIntents:
    """Collects them, and judges them in the end."""

    def __init__(
        self, store: Store, clock: Clock, rules: Rules, account: str, report: SweepReport
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._account = account
        self._report = report
        self._answers: list[FetchedIntent] = []
        self._heard: dict[str, tuple[Event, ...]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def add(
        self, answers: Sequence[FetchedIntent], events: Mapping[str, tuple[Event, ...]]
    ) -> None:
        """Keep these; beyond the most that can be kept they are reported as not examined."""
        kept = answers[: max(0, MOST - len(self._answers))]
        self._answers.extend(kept)
        self._heard.update(
            {
                answer.intent.id: events[answer.intent.id]
                for answer in kept
                if answer.intent.id in events
            }
        )
        if len(kept) < len(answers):
            why = f"A sweep keeps no more than {MOST:,}: choose a shorter range, or set [payments] metadata."
            self._report.miss("intents without a row", why, len(answers) - len(kept))

    def drop(self, why: str) -> None:
        """They are not judged."""
        self._report.miss("intents without a row", why, len(self._answers))
        self._answers = []

    def decide_matches(
        self,
        batch: PagesToRecord,
        fetcher: Fetcher,
        listed: TimeRange | None,
        stop_token: StopToken,
    ) -> None:
        """Link them to rows by their orders, or say that there is no row.

        ``listed`` is the range over which every intent is known. An order of which some intent has just changed, could
        not be read again, or has an intent that was not seen, waits as a whole. Raises StoppedError after the page in hand.
        """
        if not self._answers:
            return
        lost = self._refresh(fetcher)
        try:
            oldest = min(answer.intent.seen_at for answer in self._answers)
            seen = batch.fresh.read(oldest - self._rules.grace)
        except StripeUnavailableError as error:
            self.drop(f"The look at fresh events failed: {error}")
            return
        waiting = self._unsettled(seen) | lost
        for answers in self._by_order():
            self._judge(batch, answers, listed, seen, waiting)
            stop_token.raise_if_lease_lost()
            if batch.is_ripe or stop_token.is_stopping:
                batch.flush(stop_token.raise_if_lease_lost)
                stop_token.raise_if_stopping()
        batch.flush(stop_token.raise_if_lease_lost)
        stop_token.raise_if_stopping()

    def _judge(
        self,
        batch: PagesToRecord,
        answers: Sequence[FetchedIntent],
        listed: TimeRange | None,
        seen: RecentEvents,
        waiting: frozenset[str],
    ) -> None:
        late = [answer for answer in answers if self._order(answer) in waiting]
        self._wait(batch, late, seen)
        intents = [
            answer.intent
            for answer in answers
            if isinstance(answer.intent, Intent) and self._order(answer) not in waiting
        ]
        orders = {order for intent in intents if (order := named_order(intent, self._rules))}
        loaded = self._store.load([intent.id for intent in intents], sorted(orders))
        subjects = match_by_order(self._account, intents, loaded, self._rules, listed)
        # those with a row are recorded under its lock, those without have nothing to lock
        for together in (
            [subject for subject in subjects if subject.payments],
            [subject for subject in subjects if not subject.payments],
        ):
            batch.add(batch.pages.decide_matches(together, loaded, self._heard), answers)

    def _wait(
        self, batch: PagesToRecord, answers: Sequence[FetchedIntent], seen: RecentEvents
    ) -> None:
        until = seen.now + self._rules.grace
        batch.leave([Recheck(answer.intent.id, until, WHY) for answer in answers])
        self._report.examined += len(answers)
        self._report.waiting += len(answers)
        for answer in answers:
            self._report.add_line(ReportLine(DecisionKind.WAIT, answer.intent.id, (), why=WHY))

    def _order(self, answer: FetchedIntent) -> str | None:
        intent = answer.intent
        return named_order(intent, self._rules) if isinstance(intent, Intent) else None

    def _refresh(self, fetcher: Fetcher) -> frozenset[str]:
        """Fetch again what is old and may have changed; the orders of those that could not be read."""
        now = self._clock.monotonic()
        stale = {
            answer.intent.id: self._order(answer)
            for answer in self._answers
            if now - answer.at > STALE_SECONDS
            and isinstance(answer.intent, Intent)
            and answer.intent.outcome not in _FINAL
        }
        fresh: dict[str, FetchedIntent] = {}
        for page in fetcher.retrieve_pages(stale):
            fresh.update({answer.intent.id: answer for answer in page.answers})
            for failure in page.failures:
                self._report.miss(failure.what, failure.why)
        gone = stale.keys() - fresh.keys()
        self._answers = [
            fresh.get(answer.intent.id, answer)
            for answer in self._answers
            if answer.intent.id not in gone
        ]
        return frozenset(order for intent in gone if (order := stale[intent]) is not None)

    def _unsettled(self, seen: RecentEvents) -> frozenset[str]:
        """The orders about which an event is so new that what we hold of them may be old."""
        known = {answer.intent.id: answer for answer in self._answers}
        found: set[str] = set()
        for name, events in seen.events.items():
            answer = known.get(name)
            if answer is not None:
                order = self._order(answer)
                newest = max(event.created for event in events)
                if order is not None and newest >= answer.intent.seen_at - self._rules.grace:
                    found.add(order)
            elif self._rules.link_metadata is not None:
                # an intent that we have not seen names one of our orders
                snapshots = (event.snapshot for event in events if event.snapshot is not None)
                found.update(
                    order
                    for snapshot in snapshots
                    if (order := snapshot.metadata.get(self._rules.link_metadata))
                )
        return frozenset(found)

    def _by_order(self) -> Iterator[list[FetchedIntent]]:
        """Pages of about a hundred in which all intents of one order are together."""
        groups: dict[str, list[FetchedIntent]] = {}
        for answer in self._answers:
            order = self._order(answer)
            name = f"order {order}" if order else f"intent {answer.intent.id}"
            groups.setdefault(name, []).append(answer)
        page: list[FetchedIntent] = []
        for group in groups.values():
            page.extend(group)
            if len(page) >= PAGE_SIZE:
                yield page
                page = []
        if page:
            yield page
