"""Decided pages that wait to be recorded, so that one reading of the recent events serves several pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from reconciler.domain.findings.discrepancy import Kind, StoredDiscrepancy
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.engine.page.brake import BrakeReachedError, PersonLimits
from reconciler.engine.page.decided_page import (
    DecidedPage,
    HeldPage,
    MatchDecision,
    PageResult,
    Unanswered,
    joined,
    parted,
)
from reconciler.engine.page.page_changes import jitter_of, next_recheck
from reconciler.engine.page.reconcile_page import NO_EVENTS, PageReconciler
from reconciler.engine.page.refused_earlier import with_refused_corrections
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher
from reconciler.engine.reads.recent_events import (
    MOST_HISTORY_PAGES,
    NO_HISTORY,
    EventHistory,
    RecentEventReader,
    RecentEvents,
)
from reconciler.engine.report import PAUSED_NOTE, SweepReport, Writing
from reconciler.engine.sweep_context import Actor, SweepContext
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    RowRefusedError,
    StripeUnavailableError,
)

if TYPE_CHECKING:
    # a sweep that lists no window has none
    from reconciler.domain.statement.day_totals import DayTotals

MOST_PAGES: Final = 20
"""So many pages share one reading of the recent events."""
MOST_POLLS: Final = 1000
"""So many next polls are stored in one transaction."""
LONGEST_WAIT_SECONDS: Final = 10.0
"""How long a decided page waits for others."""


class PagesToRecord:
    """Holds decided pages and records them."""

    def __init__(
        self,
        context: SweepContext,
        actor: Actor,
        fetcher: Fetcher,
        report: SweepReport,
        limits: PersonLimits,
        totals: DayTotals | None = None,
    ) -> None:
        """``totals`` gets every final decision; None if they are not needed."""
        self._store = context.store
        self._source_quota = context.source_quota
        self._clock = context.clock
        self._rules = context.rules
        self._actor = actor
        self._fetcher = fetcher
        self._report = report
        self.totals = totals
        self._held: list[HeldPage] = []
        self._next_polls: list[Recheck] = []
        self._database_failures = 0
        self.recent_events = RecentEventReader(context.stripe)
        self._order_questions: dict[str, tuple[Match, FetchedIntent]] = {}
        self._brake = limits.brake
        self.reconciler = PageReconciler(
            context.store, context.stripe, context.rules, actor, context.per_hour, limits
        )

    def add(self, decided_page: DecidedPage, answers: Sequence[FetchedIntent]) -> None:
        """Take a decided page. What leaves no trace in the database is counted at once, and the rest is held."""
        self._take_unanswered(decided_page.unanswered, answers)
        unchanged, rest = decided_page.split_unchanged()
        if unchanged:
            # most of every page: no recent event can turn an agreement into a write, so it need not wait for them
            self._count(PageResult(unchanged))
            self._schedule(unchanged)
        if rest is not None:
            intents = {item.match.intent.id for item in rest.decisions}
            kept = tuple(answer for answer in answers if answer.intent.id in intents)
            self._held.extend(HeldPage(page, kept) for page in parted(rest))

    def _take_unanswered(
        self, unanswered: Sequence[Unanswered], answers: Sequence[FetchedIntent]
    ) -> None:
        """Keep the questions about orders for the end of the sweep; what could not be read is not examined."""
        by_id = {answer.intent.id: answer for answer in answers}
        for item in unanswered:
            name = item.match.intent.id
            if item.why is not None:
                self._report.miss(name, f"The {item.question.value} could not be read: {item.why}")
            elif name in by_id:
                # an intent that comes again replaces itself, so that its row is never written twice
                self._order_questions[name] = (item.match, by_id[name])

    @property
    def has_order_questions(self) -> bool:
        """Whether a decision waits for the other intents of its order."""
        return bool(self._order_questions)

    def take_order_questions(self) -> list[tuple[Match, FetchedIntent]]:
        """The matches that wait for their order, each intent once. They are no longer kept here."""
        questions, self._order_questions = self._order_questions, {}
        return list(questions.values())

    @property
    def is_full(self) -> bool:
        """Whether the held pages should be recorded now."""
        if len(self._next_polls) >= MOST_POLLS:
            return True
        if not self._held:
            return False
        # a page that waited for long would be stale, and would have to be fetched again
        age = self._clock.monotonic() - self._held[0].oldest
        most = max(MOST_PAGES, self._store.pages_at_once)
        return len(self._held) >= most or age >= LONGEST_WAIT_SECONDS

    def store_rechecks(self, rechecks: Sequence[Recheck]) -> None:
        """Store rechecks without a verdict, in a transaction of their own."""
        if rechecks and self._actor.writing is not Writing.NOTHING:
            with self._store.transaction(self._actor.epoch) as transaction:
                transaction.write(PageRecord(rechecks=tuple(rechecks)))

    def record_all(self, check_lease: Callable[[], None]) -> None:
        """Record every held page; in a dry run only decide about it. ``check_lease`` raises if the lease is lost.

        A page that cannot be recorded is reported as not examined, and the others go on. Raises what ends a sweep.
        """
        if self._next_polls or not self._held:
            check_lease()
        if self._next_polls:
            self._store_next_polls()
        pages, self._held = self._held, []
        held = deque(joined(pages, self._store.pages_at_once) if len(pages) > 1 else pages)
        recent: RecentEvents | None = None
        read_at = 0.0
        while held:
            check_lease()
            page = self._without_stale_answers(held[0])
            if not page.answers:
                held.popleft()
                continue

            # One reading serves every page whose answers are older than it. It reaches back far enough for all of them.
            if not page.decided_page.agrees and (recent is None or page.newest > read_at):
                read_at = self._clock.monotonic()
                waiting = [page, *islice(held, 1, None)]
                since = min(one.seen_at for one in waiting)
                try:
                    recent = self.recent_events.read(
                        since - self._rules.grace, self._unexplained_since(waiting)
                    )
                except StripeUnavailableError as error:
                    self._report_unexamined(waiting, error)
                    return
            try:
                self._record(page, recent)
            except BrakeReachedError:
                self._brake.ask()
                # the answer may have taken long: the page is held against Stripe again
                recent = None
                continue
            held.popleft()

    def _unexplained_since(self, pages: Sequence[HeldPage]) -> datetime | None:
        """The earliest change of which a row missed the webhook, and Stripe still lists the events; None if none did."""
        since = min(
            (
                item.match.intent.changed_at
                for page in pages
                for item in page.decided_page.decisions
                if isinstance(item.match.intent, Intent)
                and _is_unexplained(item, page.decided_page.loaded.known)
            ),
            default=None,
        )
        if since is None or self._source_quota.spendable <= MOST_HISTORY_PAGES:
            return None
        return since

    def _report_unexamined(self, pages: Sequence[HeldPage], error: StripeUnavailableError) -> None:
        """Without the recent events, a webhook could still be on its way: nothing of the pages is recorded."""
        for page in pages:
            why = f"The recent events could not be read: {error}"
            self._report.miss(page.name, why, len(page.answers))

    def _schedule(self, unchanged: Sequence[MatchDecision]) -> None:
        """Keep the next poll of those that agree and stay open. No row is locked for it."""
        if not self._actor.is_service or self._actor.writing is Writing.NOTHING:
            return
        jitter = jitter_of(self._actor.account)
        for item in unchanged:
            now = item.match.intent.seen_at
            recheck = next_recheck(item.match, now, self._rules.horizon, jitter)
            if recheck is not None:
                self._next_polls.append(recheck)

    def _store_next_polls(self) -> None:
        next_polls, self._next_polls = self._next_polls, []
        try:
            self.store_rechecks(next_polls)
        except DatabaseBusyError:
            return  # a payment without a next poll is due at the next sweep, which stores it

    def _without_stale_answers(self, page: HeldPage) -> HeldPage:
        """The page with its stale answers fetched again, and decided again."""
        now = self._clock.monotonic()
        stale = [answer.intent.id for answer in page.answers if answer.is_stale(now)]
        if not stale:
            return page

        again = self._fetcher.retrieve_again(stale)
        for failure in again.failures:
            self._report.miss(failure.what, failure.why)
        # what could not be fetched again leaves the page, and a later sweep reads it
        fetched = {answer.intent.id: answer for answer in again.answers}
        lost = {failure.what for failure in again.failures}

        answers = tuple(
            fetched.get(answer.intent.id, answer)
            for answer in page.answers
            if answer.intent.id not in lost
        )
        matches = []
        for item in page.decided_page.decisions:
            answer = fetched.get(item.match.intent.id)
            if answer is not None:
                matches.append(replace(item.match, intent=answer.intent))
            elif item.match.intent.id not in lost:
                matches.append(item.match)
        before = page.decided_page
        decided_page = self.reconciler.decide_matches(matches, before.loaded, before.events)
        self._take_unanswered(decided_page.unanswered, answers)
        kept = {item.match.intent.id for item in decided_page.decisions}
        return HeldPage(
            replace(decided_page, unanswered=()),
            tuple(answer for answer in answers if answer.intent.id in kept),
        )

    def _record(self, page: HeldPage, recent: RecentEvents | None) -> None:
        events = NO_EVENTS if recent is None else recent.events
        history = NO_HISTORY if recent is None else recent.history
        # Stripe's time decides about the grace, not this machine's clock
        now = max(answer.intent.seen_at for answer in page.answers)
        now = now if recent is None else max(now, recent.now)
        try:
            result = self._write_or_show(page.decided_page, events, history, now)
        except RowRefusedError:
            # a value that Reconciler's own tables refuse: one match must not lose the others
            for item in page.decided_page.decisions:
                alone = replace(page.decided_page, decisions=(item,))
                self._record_alone(alone, events, history, now)
            return
        except (DatabaseBusyError, DatabaseUnavailableError) as error:
            self._report_failure(page.name, error, len(page.answers))
            return
        # only failures in a row mean that the database is gone
        self._database_failures = 0
        self._count(result)

    def _record_alone(
        self,
        decided_page: DecidedPage,
        events: Mapping[str, tuple[Event, ...]],
        history: EventHistory,
        now: datetime,
    ) -> None:
        """Record one match of a page that could not be recorded as a whole."""
        intent = decided_page.decisions[0].match.intent.id
        try:
            result = self._write_or_show(decided_page, events, history, now)
        except RowRefusedError as error:
            self._report.miss(intent, str(error))
            return
        except (DatabaseBusyError, DatabaseUnavailableError) as error:
            self._report_failure(intent, error, 1)
            return
        self._count(result)

    def _report_failure(
        self, what: str, error: DatabaseBusyError | DatabaseUnavailableError, count: int
    ) -> None:
        """Report what was not recorded; a later sweep tries again. Raises if the database stays unavailable."""
        self._report.miss(what, str(error), count)
        if isinstance(error, DatabaseUnavailableError):
            self._database_failures += 1
            if self._database_failures > 1:
                raise error

    def _write_or_show(
        self,
        page: DecidedPage,
        events: Mapping[str, tuple[Event, ...]],
        history: EventHistory,
        now: datetime,
    ) -> PageResult:
        if self._actor.writing is not Writing.NOTHING:
            return self.reconciler.record(page, events, now, history)
        # a dry run decides by the same events, and leaves out the transaction
        matches, stored = [item.match for item in page.decisions], page.loaded
        again = self.reconciler.decide_matches(matches, stored, page.events, events, now, history)
        named = self._actor.names_payments
        return PageResult(with_refused_corrections(again.decisions, stored, now, named=named))

    def _count(self, result: PageResult) -> None:
        self._report.add_decisions((item.match, item.decision) for item in result.decisions)
        if self.totals is not None:
            self.totals.add((item.match, item.decision) for item in result.decisions)
        self._report.corrected += result.corrected
        self._report.held_back += result.held_back
        if result.paused and PAUSED_NOTE not in self._report.notes:
            self._report.notes.append(PAUSED_NOTE)


def _is_unexplained(item: MatchDecision, known: Sequence[StoredDiscrepancy]) -> bool:
    """Whether a webhook was missed, and no event that is known says why.

    A payment without a row stays one for long, so only a new finding about it costs a reading of older events.
    """
    stored = {one.intent for one in known if one.kind is Kind.MISSING_LOCALLY}
    is_new = item.match.intent.id not in stored
    return isinstance(item.decision, Correct | Flag) and any(
        finding.cause is None
        and (
            finding.kind is Kind.MISSED_OUTCOME or (is_new and finding.kind is Kind.MISSING_LOCALLY)
        )
        for finding in item.decision.findings
    )
