"""One page: load, compare, decide, record. This is the whole program; the rest feeds it and reports on it.

Nothing here reads the world twice for one decision, and nothing writes outside ``PageReconciler.record``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import State, StoredDiscrepancy
from reconciler.domain.model.intent import Event, Intent, MissingIntent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.rules.decision import Correct, Decision, Keep, decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, reportable_without_row
from reconciler.engine.actor import Actor
from reconciler.engine.page.page_changes import PageChanges
from reconciler.engine.ports import PageTransaction, Store
from reconciler.engine.report import Writing
from reconciler.errors import DatabaseBusyError, HourlyLimitError, RowMovedError

NO_EVENTS: Final[Mapping[str, tuple[Event, ...]]] = {}
HOUR_SECONDS: Final = 3600
RETRIES: Final = 3
"""How often a page is recorded anew when a row moves between the lock and the write."""


@dataclass(frozen=True, slots=True)
class MatchDecision:
    """A subject with the decision about it."""

    subject: Match
    decision: Decision

    @property
    def agrees(self) -> bool:
        """There is nothing to write about it and nothing to wait for."""
        return isinstance(self.decision, Keep)


@dataclass(frozen=True, slots=True)
class DecidedPage:
    """A page that was loaded and judged, not yet recorded."""

    decisions: tuple[MatchDecision, ...]
    loaded: Loaded
    locks_rows: bool = True
    """False where no subject has a row: then there is nothing to lock."""
    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    """The events that made us ask, by intent: seen when the page is recorded."""

    @property
    def agrees(self) -> bool:
        """Every subject agrees: no look at fresh events is needed."""
        return all(item.agrees for item in self.decisions)

    def split_unchanged(self) -> tuple[list[MatchDecision], DecidedPage | None]:
        """Those about whom recording would write nothing, and the page of the others, None where there are none.

        Most of a page agrees and has nothing to close, no check to lift and no event to remember: its rows are neither
        locked nor read again.
        """
        view = {known.subject for known in self.loaded.known if known.state is State.OPEN}
        touched = view.union(self.loaded.rechecks, self.events)
        quiet: list[MatchDecision] = []
        rest: list[MatchDecision] = []
        for item in self.decisions:
            still = item.agrees and item.subject.intent.id not in touched
            (quiet if still else rest).append(item)
        return quiet, replace(self, decisions=tuple(rest)) if rest else None


@dataclass(slots=True)
class PageResult:
    """What became of a page: the final decisions, and how many corrections were written or held back."""

    decisions: list[MatchDecision] = field(default_factory=list)
    corrected: int = 0
    held_back: int = 0


class PageReconciler:
    """Examines and records pages of one account."""

    def __init__(self, store: Store, rules: Rules, actor: Actor, per_hour: int) -> None:
        self._store = store
        self._per_hour = per_hour
        self._rules = rules
        self._actor = actor

    def examine(
        self,
        intents: Sequence[Intent | MissingIntent],
        remembered: Mapping[str, Sequence[PaidSibling]],
        events: Mapping[str, tuple[Event, ...]],
        *,
        only_open: bool = False,
    ) -> tuple[DecidedPage, tuple[Intent, ...]]:
        """Load and judge a page; with ``only_open`` no more of it than what an open row holds.

        The second value are intents that no row holds and that have something to say: they are left for the end of
        the sweep, when it is known who else names their order, and whether the key has proved right.
        """
        loaded = self._store.load([intent.id for intent in intents])
        subjects = match_by_id(self._actor.account, intents, loaded, remembered)
        if only_open:
            asked = [
                subject
                for subject in subjects
                if any(payment.outcome.is_open for payment in subject.payments)
            ]
            return self.decide_matches(asked, loaded, events), ()
        unmatched = tuple(
            subject.intent
            for subject in subjects
            if not subject.payments
            and isinstance(subject.intent, Intent)
            and reportable_without_row(subject.intent, self._rules)
        )
        later = {intent.id for intent in unmatched}
        at_once = [subject for subject in subjects if subject.intent.id not in later]
        return self.decide_matches(at_once, loaded, events), unmatched

    def decide_matches(
        self,
        subjects: Sequence[Match],
        loaded: Loaded,
        events: Mapping[str, tuple[Event, ...]],
        fresh: Mapping[str, tuple[Event, ...]] = NO_EVENTS,
        now: datetime | None = None,
    ) -> DecidedPage:
        """Decide about subjects.

        ``events`` made us ask for them, ``fresh`` are those that the look found. ``now`` is Stripe's time, None for
        that of each answer.
        """
        known = _by_subject(loaded.known)
        decisions = []
        for subject in subjects:
            intent = subject.intent
            stored = (event for event in loaded.events if event.payment_intent == intent.id)
            decision = decide(
                subject,
                self._rules,
                intent.seen_at if now is None else max(now, intent.seen_at),
                events=(*stored, *events.get(intent.id, ()), *fresh.get(intent.id, ())),
                known=known.get(intent.id, ()),
            )
            decisions.append(MatchDecision(subject, decision))
        locks = any(subject.payments for subject in subjects)
        return DecidedPage(tuple(decisions), loaded, locks, events)

    def record(
        self,
        decided_page: DecidedPage,
        fresh: Mapping[str, tuple[Event, ...]],
        now: datetime,
    ) -> PageResult:
        """Write a page in one transaction, deciding again on what is there now.

        ``fresh`` are the events that the look found, ``now`` is Stripe's time at the look. Raises what the Store
        raises; then nothing was written.
        """
        moved: frozenset[str] = frozenset()
        for _ in range(RETRIES):
            try:
                quota = self._allowance()
                with self._store.transaction(self._actor.epoch) as transaction:
                    return self._record(transaction, decided_page, fresh, now, quota, moved)
            except RowMovedError as error:
                moved |= error.keys
            except HourlyLimitError:
                continue  # another sweep of the service was quicker: what is left is counted anew
        raise DatabaseBusyError(
            f"rows {', '.join(sorted(moved)[:5])} kept changing while their page was recorded.",
            "Nothing of the page was written; run the sweep again.",
        )

    def _allowance(self) -> int | None:
        """How many rows may still be corrected in this hour; a person is not bound by it."""
        if not self._actor.is_service or self._actor.writing is not Writing.ROWS:
            return None
        return max(0, self._per_hour - self._store.corrections_by_service(HOUR_SECONDS))

    def _record(
        self,
        transaction: PageTransaction,
        decided_page: DecidedPage,
        fresh: Mapping[str, tuple[Event, ...]],
        now: datetime,
        quota: int | None,
        moved: frozenset[str],
    ) -> PageResult:
        subjects = [item.subject for item in decided_page.decisions]
        lock = self._actor.writing is Writing.ROWS and decided_page.locks_rows
        again = transaction.read_again(
            [subject.intent.id for subject in subjects],
            [key for subject in subjects for key in subject.keys],
            lock=lock,
            # a duplicate belongs to the later-created intent, which may be the sibling
            also_known=[other.payment_intent for one in subjects for other in one.siblings],
        )
        current, gone = _as_they_are_now(subjects, again.payments, moved)
        since = _moved(subjects, again.payments)
        loaded = replace(again, events=decided_page.loaded.events, paid=decided_page.loaded.paid)
        events = decided_page.events
        decided_again = self.decide_matches(current, loaded, events, fresh, now).decisions
        late = [item.subject for item in decided_again if since.makes_late(item)]
        kept = [item for item in decided_again if not since.makes_late(item)]
        decisions = [*kept, *_waiting([*late, *gone], now)]
        known = _by_subject(again.known)
        page_changes = PageChanges(self._actor, self._rules, known, now, quota)
        most = None if quota is None else self._per_hour
        done = [
            MatchDecision(item.subject, page_changes.add(item.subject, item.decision, heard))
            for item in decisions
            for name in [item.subject.intent.id]
            for heard in [(*events.get(name, ()), *fresh.get(name, ()))]
        ]
        record = page_changes.page(decided_page.loaded.rechecks, most)
        if not record.is_empty:
            transaction.write(record)
        return PageResult(done, len(record.writes), page_changes.held_back)


def _by_subject(known: Sequence[StoredDiscrepancy]) -> dict[str, tuple[StoredDiscrepancy, ...]]:
    found: dict[str, list[StoredDiscrepancy]] = {}
    for item in known:
        found.setdefault(item.subject, []).append(item)
    return {subject: tuple(items) for subject, items in found.items()}


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What has happened to the rows of a page between load and lock, by intent."""

    changed: frozenset[str]
    """A row of it is not as it was loaded."""
    joined: frozenset[str]
    """A row holds it that was not there."""

    def makes_late(self, item: MatchDecision) -> bool:
        """Whether whoever moved the row knows something newer than our snapshot."""
        intent = item.subject.intent.id
        if intent in self.changed:
            return not item.agrees
        return intent in self.joined and isinstance(item.decision, Correct)


def _moved(subjects: Sequence[Match], payments: Sequence[Payment]) -> RowChanges:
    now = {row.key: _content(row) for row in payments}
    # a row of one subject may have gone over to another: it is as new there as one that was not in the table
    loaded = {
        (row.key, intent)
        for subject in subjects
        for row in subject.payments
        for intent in (row.payment_intent, subject.intent.id)
    }
    return RowChanges(
        changed=frozenset(
            subject.intent.id
            for subject in subjects
            if any(now.get(row.key, _content(row)) != _content(row) for row in subject.payments)
        ),
        joined=frozenset(
            row.payment_intent
            for row in payments
            if row.payment_intent is not None and (row.key, row.payment_intent) not in loaded
        ),
    )


def _content(row: Payment) -> tuple[str | None, ...]:
    return row.payment_intent, row.status, row.stored_amount, row.stored_currency


def _as_they_are_now(
    subjects: Sequence[Match], payments: Sequence[Payment], moved: frozenset[str]
) -> tuple[list[Match], list[Match]]:
    """Subjects with their rows as read again, and those of which a row is locked, gone, moved or points elsewhere."""
    by_key = {payment.key: payment for payment in payments}
    by_intent: dict[str | None, list[Payment]] = {}
    for payment in payments:
        by_intent.setdefault(payment.payment_intent, []).append(payment)
    current, gone = [], []
    for subject in subjects:
        rows = {payment.key: payment for payment in by_intent.get(subject.intent.id, ())}
        for was in subject.payments:
            row = by_key.get(was.key)
            if row is not None and row.payment_intent == was.payment_intent:
                rows[was.key] = row
        if set(subject.keys) <= rows.keys() and not moved & rows.keys():
            ordered = tuple(rows[key] for key in sorted(rows))
            current.append(replace(subject, payments=ordered))
        else:
            gone.append(subject)
    return current, gone


def _waiting(subjects: Sequence[Match], now: datetime) -> list[MatchDecision]:
    why = "its row is locked or has changed since it was loaded"
    return [MatchDecision(subject, Wait(now, why)) for subject in subjects]
