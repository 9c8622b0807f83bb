"""Pages that were examined and wait to be recorded, so that one look at fresh events serves several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.intent import Event, Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.page import Check, PageRecord
from reconciler.domain.subject import Rules
from reconciler.engine.authority import SERVICE, Authority
from reconciler.engine.fetching import Answer, Fetcher
from reconciler.engine.freshness import Look, look
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reconcile import Examination, Judged, PageReconciler, PageResult
from reconciler.engine.report import SweepReport, Writing
from reconciler.engine.schedule import jitter_of, scheduled_check
from reconciler.engine.tally import tally
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StripeUnavailableError,
)

PAGES_A_LOOK: Final = 20
MOST_SCHEDULED: Final = 1000
LONGEST_HOLD_SECONDS: Final = 10.0
"""How long an examined page waits for others to share its look with."""
STALE_SECONDS: Final = 30.0
"""An older snapshot is fetched again before it is recorded, unless it can no longer change."""
REFUSALS: Final = 3
"""After so many refused rows and none accepted, it is not the rows."""
HOUR_SECONDS: Final = 3600
_FINAL: Final = frozenset({Outcome.SUCCEEDED, Outcome.CANCELED})


@dataclass(frozen=True, slots=True)
class Held:
    """An examined page with the answers it was made of."""

    examination: Examination
    answers: tuple[Answer, ...]

    @property
    def oldest(self) -> float:
        """When its oldest answer was asked for, by the monotonic clock."""
        return min((answer.at for answer in self.answers), default=0.0)

    @property
    def name(self) -> str:
        """How a report names the page."""
        first, last = self.answers[0].intent.id, self.answers[-1].intent.id
        return first if first == last else f"{first} to {last}"


class Batch:
    """Holds examined pages and records them. ``per_hour`` bounds what the service corrects."""

    def __init__(
        self,
        stripe: Stripe,
        store: Store,
        clock: Clock,
        rules: Rules,
        authority: Authority,
        fetcher: Fetcher,
        report: SweepReport,
        per_hour: int,
    ) -> None:
        self._stripe = stripe
        self._store = store
        self._clock = clock
        self._rules = rules
        self._authority = authority
        self._fetcher = fetcher
        self._report = report
        self._per_hour = per_hour
        self._held: list[Held] = []
        self._scheduled: list[Check] = []
        self._seen: set[tuple[str, str]] = set()
        self._database_failures = 0
        self.pages = PageReconciler(store, rules, authority)

    def add(self, examination: Examination, answers: Sequence[Answer]) -> None:
        """Take an examined page; whoever leaves no trace is done with at once."""
        quiet, rest = examination.parted()
        if quiet:
            tally(self._report, PageResult(quiet), self._authority, self._seen)
            self._schedule(quiet)
        if rest is not None:
            judged = {item.subject.intent.id for item in rest.judged}
            kept = tuple(answer for answer in answers if answer.intent.id in judged)
            self._held.append(Held(rest, kept))

    def _schedule(self, quiet: Sequence[Judged]) -> None:
        """Note when those that agree and stay open are worth the next look; their rows are not touched for it."""
        if not self._authority.is_service or self._authority.writing is Writing.NOTHING:
            return
        jitter = jitter_of(self._authority.account)
        for item in quiet:
            subject = item.subject
            check = scheduled_check(subject, subject.intent.seen_at, self._rules.horizon, jitter)
            if check is not None:
                self._scheduled.append(check)

    def _note_schedule(self) -> None:
        scheduled, self._scheduled = self._scheduled, []
        if scheduled:
            with self._store.transaction(self._authority.epoch) as transaction:
                transaction.write(PageRecord(checks=tuple(scheduled)))

    @property
    def is_ripe(self) -> bool:
        """Whether the pages held should be recorded now."""
        if len(self._scheduled) >= MOST_SCHEDULED:
            return True
        if not self._held:
            return False
        age = self._clock.monotonic() - self._held[0].oldest
        return len(self._held) >= PAGES_A_LOOK or age >= LONGEST_HOLD_SECONDS

    def flush(self, check: Callable[[], None]) -> None:
        """Record every page held, or show it in a dry run. ``check`` raises where the lease is lost.

        A page that cannot be recorded is reported as not examined; the others go on. Raises what ends a pass.
        """
        check()
        self._note_schedule()
        held, self._held = self._held, []
        if not held:
            return
        held = [self._refreshed(page) for page in held]
        seen = None
        if any(not page.examination.agrees for page in held):
            seen = self._look(held)
            if seen is None:
                return
        for page in held:
            check()
            self._record(page, seen)

    def _look(self, held: Sequence[Held]) -> Look | None:
        since = min(answer.intent.seen_at for page in held for answer in page.answers)
        try:
            return look(self._stripe, since - self._rules.grace)
        except StripeUnavailableError as error:
            for page in held:
                why = f"The look at fresh events failed: {error}"
                self._report.miss(page.name, why, len(page.answers))
            return None

    def _refreshed(self, page: Held) -> Held:
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
            for item in page.examination.judged
            if item.subject.intent.id not in lost
        ]
        examination = page.examination
        return Held(self.pages.judge(subjects, examination.loaded, examination.events), answers)

    def _record(self, page: Held, seen: Look | None) -> None:
        events: Mapping[str, tuple[Event, ...]] = {} if seen is None else seen.events
        if not page.answers:
            return
        now = max(answer.intent.seen_at for answer in page.answers)
        now = now if seen is None else max(now, seen.now)
        try:
            result = self._recorded(page.examination, events, now)
        except (DatabaseBusyError, DatabaseUnavailableError) as error:
            self._database_failures += 1
            if self._database_failures > 1 and isinstance(error, DatabaseUnavailableError):
                raise
            self._report.miss(page.name, str(error), len(page.answers))
            return
        except DatabaseRefusedError as error:
            self._record_one_by_one(page, events, now, error)
            return
        self._database_failures = 0
        tally(self._report, result, self._authority, self._seen)

    def _record_one_by_one(
        self,
        page: Held,
        events: Mapping[str, tuple[Event, ...]],
        now: datetime,
        error: DatabaseRefusedError,
    ) -> None:
        """A row that the merchant's own rules refuse must not lose its page.

        Raises the first error where nothing is accepted: then it is not the row, but a privilege or a table.
        """
        if self._authority.writing is Writing.NOTHING:
            raise error
        refused: list[tuple[str, str]] = []
        accepted = 0
        for item in page.examination.judged:
            single = replace(page.examination, judged=(item,))
            try:
                result = self.pages.record(single, events, now, self._allowance())
            except DatabaseRefusedError as again:
                refused.append((item.subject.intent.id, str(again)))
                if not accepted and len(refused) >= REFUSALS:
                    raise error from None
                continue
            accepted += 1
            tally(self._report, result, self._authority, self._seen)
        for intent, why in refused:
            self._report.miss(intent, why)

    def _recorded(
        self, examination: Examination, events: Mapping[str, tuple[Event, ...]], now: datetime
    ) -> PageResult:
        if self._authority.writing is Writing.NOTHING:
            subjects = [item.subject for item in examination.judged]
            seen = examination.events
            judged = self.pages.judge(subjects, examination.loaded, seen, events, now).judged
            return PageResult(list(judged))
        return self.pages.record(examination, events, now, self._allowance())

    def _allowance(self) -> int | None:
        """How many rows may still be corrected in this hour; a person is not bound by it."""
        if self._authority.asked_by != SERVICE or self._authority.writing is not Writing.ROWS:
            return None
        return max(0, self._per_hour - self._store.corrections_by_service(HOUR_SECONDS))
