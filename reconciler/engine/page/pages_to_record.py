"""Pages that were examined and wait to be recorded, so that one look at fresh events serves several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.page import PageRecord, Recheck
from reconciler.domain.outcome import Outcome
from reconciler.engine.actor import Actor
from reconciler.engine.page.counting import count_page
from reconciler.engine.page.next_recheck import jitter_of, planned_poll
from reconciler.engine.page.reconcile_page import (
    NO_EVENTS,
    DecidedPage,
    MatchDecision,
    PageReconciler,
    PageResult,
)
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher
from reconciler.engine.reads.recent_events import RecentEventReader, RecentEvents
from reconciler.engine.report import SweepReport, Writing
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    RowRefusedError,
    StripeUnavailableError,
)

PAGES_A_LOOK: Final = 20
MOST_SCHEDULED: Final = 1000
LONGEST_HOLD_SECONDS: Final = 10.0
"""How long an examined page waits for others to share its look with."""
STALE_SECONDS: Final = 30.0
"""An older snapshot is fetched again before it is recorded, unless it can no longer change."""
REFUSED_AGAIN: Final = timedelta(hours=6)
"""When to try again what the merchant's own rules do not allow to be written."""

_FINAL: Final = frozenset({Outcome.SUCCEEDED, Outcome.CANCELED})


@dataclass(frozen=True, slots=True)
class HeldPage:
    """An examined page with the answers it was made of; times are by the monotonic clock."""

    decided_page: DecidedPage
    answers: tuple[FetchedIntent, ...]

    @property
    def oldest(self) -> float:
        """When its oldest answer was asked for."""
        return min((answer.at for answer in self.answers), default=0.0)

    @property
    def newest(self) -> float:
        """When its newest answer was asked for."""
        return max((answer.at for answer in self.answers), default=0.0)

    @property
    def seen_at(self) -> datetime:
        """Stripe's time of its oldest answer."""
        return min(answer.intent.seen_at for answer in self.answers)

    @property
    def name(self) -> str:
        """How a report names the page."""
        first, last = self.answers[0].intent.id, self.answers[-1].intent.id
        return first if first == last else f"{first} to {last}"


class PagesToRecord:
    """Holds examined pages and records them. ``per_hour`` bounds what the service corrects.

    ``refused`` counts what the merchant's own rules did not allow to be written; each left a check.
    """

    def __init__(
        self,
        stripe: Stripe,
        store: Store,
        clock: Clock,
        rules: Rules,
        actor: Actor,
        fetcher: Fetcher,
        report: SweepReport,
        per_hour: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._actor = actor
        self._fetcher = fetcher
        self._report = report
        self._held: list[HeldPage] = []
        self._scheduled: list[Recheck] = []
        self._seen: set[tuple[str, str]] = set()
        self._database_failures = 0
        self.refused = 0
        self.fresh = RecentEventReader(stripe)
        self.pages = PageReconciler(store, rules, actor, per_hour)

    def add(self, decided_page: DecidedPage, answers: Sequence[FetchedIntent]) -> None:
        """Take an examined page; whoever leaves no trace is done with at once."""
        quiet, rest = decided_page.split_unchanged()
        if quiet:
            count_page(self._report, PageResult(quiet), self._actor, self._seen)
            self._schedule(quiet)
        if rest is not None:
            decisions = {item.subject.intent.id for item in rest.decisions}
            kept = tuple(answer for answer in answers if answer.intent.id in decisions)
            self._held.append(HeldPage(rest, kept))

    @property
    def is_ripe(self) -> bool:
        """Whether the pages held should be recorded now."""
        if len(self._scheduled) >= MOST_SCHEDULED:
            return True
        if not self._held:
            return False
        age = self._clock.monotonic() - self._held[0].oldest
        return len(self._held) >= PAGES_A_LOOK or age >= LONGEST_HOLD_SECONDS

    def leave(self, rechecks: Sequence[Recheck]) -> None:
        """Leave checks without a verdict, in a transaction of their own."""
        if rechecks and self._actor.writing is not Writing.NOTHING:
            with self._store.transaction(self._actor.epoch) as transaction:
                transaction.write(PageRecord(rechecks=tuple(rechecks)))

    def flush(self, recheck: Callable[[], None]) -> None:
        """Record every page held, or show it in a dry run. ``check`` raises where the lease is lost.

        A page that cannot be recorded is reported as not examined; the others go on. Raises what ends a sweep.
        """
        recheck()
        self._note_schedule()
        held, self._held = self._held, []
        seen: RecentEvents | None = None
        read_at = 0.0
        for position, stale in enumerate(held):
            recheck()
            page = self._refreshed(stale)
            if not page.answers:
                continue
            if not page.decided_page.agrees and (seen is None or page.newest > read_at):
                read_at = self._clock.monotonic()
                since = min(one.seen_at for one in (page, *held[position + 1 :]))
                try:
                    seen = self.fresh.read(since - self._rules.grace)
                except StripeUnavailableError as error:
                    self._unexamined([page, *held[position + 1 :]], error)
                    return
            self._record(page, seen)

    def _unexamined(self, pages: Sequence[HeldPage], error: StripeUnavailableError) -> None:
        """Without the look it cannot be known that nothing is on the way."""
        for page in pages:
            why = f"The look at fresh events failed: {error}"
            self._report.miss(page.name, why, len(page.answers))

    def _schedule(self, quiet: Sequence[MatchDecision]) -> None:
        """Note when those that agree and stay open are worth the next look; their rows are not touched for it."""
        if not self._actor.is_service or self._actor.writing is Writing.NOTHING:
            return
        jitter = jitter_of(self._actor.account)
        for item in quiet:
            now = item.subject.intent.seen_at
            recheck = planned_poll(item.subject, now, self._rules.horizon, jitter)
            if recheck is not None:
                self._scheduled.append(recheck)

    def _note_schedule(self) -> None:
        scheduled, self._scheduled = self._scheduled, []
        try:
            self.leave(scheduled)
        except DatabaseBusyError:
            return  # what is not noted comes up again at the next sweep, and is noted then

    def _refreshed(self, page: HeldPage) -> HeldPage:
        """The page with what has become stale fetched and judged again."""
        now = self._clock.monotonic()
        stale = [
            answer.intent.id
            for answer in page.answers
            if now - answer.at > STALE_SECONDS
            and isinstance(answer.intent, Intent)
            and answer.intent.outcome not in _FINAL
        ]
        if not stale:
            return page
        again = self._fetcher.retrieve_again(stale)
        for failure in again.failures:
            self._report.miss(failure.what, failure.why)
        fresh = {answer.intent.id: answer for answer in again.answers}
        lost = {failure.what for failure in again.failures}
        answers = tuple(
            fresh.get(answer.intent.id, answer)
            for answer in page.answers
            if answer.intent.id not in lost
        )
        subjects = [
            replace(item.subject, intent=fresh[item.subject.intent.id].intent)
            if item.subject.intent.id in fresh
            else item.subject
            for item in page.decided_page.decisions
            if item.subject.intent.id not in lost
        ]
        decided_page = page.decided_page
        return HeldPage(
            self.pages.decide_matches(subjects, decided_page.loaded, decided_page.events), answers
        )

    def _record(self, page: HeldPage, seen: RecentEvents | None) -> None:
        events = NO_EVENTS if seen is None else seen.events
        now = max(answer.intent.seen_at for answer in page.answers)
        now = now if seen is None else max(now, seen.now)
        try:
            result = self._recorded(page.decided_page, events, now)
        except RowRefusedError:
            for item in page.decided_page.decisions:
                self._record_alone(replace(page.decided_page, decisions=(item,)), events, now)
            return
        except (DatabaseBusyError, DatabaseUnavailableError) as error:
            self._failed(page.name, error, len(page.answers))
            return
        self._database_failures = 0
        count_page(self._report, result, self._actor, self._seen)

    def _record_alone(
        self, decided_page: DecidedPage, events: Mapping[str, tuple[Event, ...]], now: datetime
    ) -> None:
        """One subject of a page of which a row was refused: that row must not lose the others."""
        intent = decided_page.decisions[0].subject.intent.id
        try:
            result = self._recorded(decided_page, events, now)
        except RowRefusedError as error:
            self.refused += 1
            self._report.miss(intent, str(error))
            self.leave([Recheck(intent, now + REFUSED_AGAIN, "the table refused its correction")])
            return
        except (DatabaseBusyError, DatabaseUnavailableError) as error:
            self._failed(intent, error, 1)
            return
        count_page(self._report, result, self._actor, self._seen)

    def _failed(
        self, what: str, error: DatabaseBusyError | DatabaseUnavailableError, count: int
    ) -> None:
        """Not recorded: named, and tried again by a later sweep. Raises where the database is gone for good."""
        self._report.miss(what, str(error), count)
        if isinstance(error, DatabaseUnavailableError):
            self._database_failures += 1
            if self._database_failures > 1:
                raise error

    def _recorded(
        self, decided_page: DecidedPage, events: Mapping[str, tuple[Event, ...]], now: datetime
    ) -> PageResult:
        if self._actor.writing is Writing.NOTHING:
            subjects = [item.subject for item in decided_page.decisions]
            seen = decided_page.events
            decisions = self.pages.decide_matches(
                subjects, decided_page.loaded, seen, events, now
            ).decisions
            return PageResult(list(decisions))
        return self.pages.record(decided_page, events, now)
