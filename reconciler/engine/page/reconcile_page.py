"""One page: load, compare, decide, record. This is the core of a sweep; the rest feeds it and reports on it.

Nothing here reads either side twice for one decision, and nothing of a page is written outside ``PageReconciler.record``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import StoredDiscrepancy
from reconciler.domain.model.intent import Event, Intent, MissingIntent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.match_facts import FactNeededError, Question
from reconciler.domain.model.page import Loaded, RefusedWrite, WriteResult
from reconciler.domain.rules.decision import decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, reportable_without_row
from reconciler.engine.page.brake import PersonLimits
from reconciler.engine.page.decided_page import (
    DecidedPage,
    MatchDecision,
    PageResult,
    Unanswered,
    as_they_are_now,
    row_changes,
    rows_that_left,
)
from reconciler.engine.page.page_changes import PageChanges
from reconciler.engine.ports import PageTransaction, Store, Stripe
from reconciler.engine.reads.charge_facts import with_fact
from reconciler.engine.reads.recent_events import NO_HISTORY, EventHistory
from reconciler.engine.report import Writing
from reconciler.engine.sweep_context import Actor
from reconciler.errors import (
    DatabaseBusyError,
    HourlyLimitError,
    PausedError,
    RowMovedError,
    StripeRequestError,
    StripeUnavailableError,
)

NO_EVENTS: Final[Mapping[str, tuple[Event, ...]]] = {}
HOUR_SECONDS: Final = 3600
TRIES: Final = 3
"""The most times that a page is tried again because one of its rows changed before it was locked."""
MOST_NAMED: Final = 5
"""The most rows that an error names."""


class PageReconciler:
    """Decides about pages of one account and records them. ``per_hour`` limits the corrections of the service."""

    def __init__(
        self,
        store: Store,
        stripe: Stripe,
        rules: Rules,
        actor: Actor,
        per_hour: int,
        limits: PersonLimits,
    ) -> None:
        self._store = store
        self._stripe = stripe
        self._rules = rules
        self._actor = actor
        self._per_hour = per_hour
        self._limits = limits

    def load_and_decide(
        self,
        intents: Sequence[Intent | MissingIntent],
        remembered: Mapping[str, Sequence[PaidSibling]],
        events: Mapping[str, tuple[Event, ...]],
        loaded: Loaded | DatabaseBusyError | None = None,
        *,
        only_open: bool = False,
    ) -> tuple[DecidedPage, tuple[Intent, ...]]:
        """Load what the database knows of these intents, and decide. With ``only_open``, only about open rows.

        ``loaded`` is what the database knows, if it was read with other pages; an error is raised.

        The second value are the intents that no row holds and that can be a finding. They are decided at the end of
        the sweep: only then is it known which other intents name their order, and whether the key fits the table.
        """
        if loaded is None:
            loaded = self._store.load([intent.id for intent in intents])
        elif isinstance(loaded, DatabaseBusyError):
            raise loaded
        matches = match_by_id(self._actor.account, intents, loaded, remembered)
        if only_open:
            # a planned list shows every intent of its range, and most of them belong to rows that are settled
            with_open_row = [
                match for match in matches if any(row.outcome.is_open for row in match.payments)
            ]
            return self.decide_matches(with_open_row, loaded, events), ()

        unmatched = tuple(
            match.intent
            for match in matches
            if not match.payments
            and isinstance(match.intent, Intent)
            and reportable_without_row(match.intent, self._rules)
        )
        # the other intents without a row are nothing to report, and count as examined at once
        later = {intent.id for intent in unmatched}
        now = [match for match in matches if match.intent.id not in later]
        return self.decide_matches(now, loaded, events), unmatched

    def decide_matches(
        self,
        matches: Sequence[Match],
        loaded: Loaded,
        events: Mapping[str, tuple[Event, ...]],
        recent: Mapping[str, tuple[Event, ...]] = NO_EVENTS,
        now: datetime | None = None,
        history: EventHistory = NO_HISTORY,
        *,
        reads_facts: bool = True,
    ) -> DecidedPage:
        """Decide about matches.

        ``events`` are those because of which the tail read the intents, ``recent`` are the recent events, both by
        intent. ``now`` is Stripe's time; None is the time of each answer. ``history`` says why webhooks were missed.
        With ``reads_facts`` Stripe is asked for what a verdict depends on; without it such a match stays unanswered.
        """
        stored = stored_by_intent(loaded.known)
        stored_events = events_by_intent(loaded.events)
        sources = [one for one in (stored_events, events, recent, history.events) if one]
        decisions: list[MatchDecision] = []
        unanswered: list[Unanswered] = []
        for match in matches:
            intent = match.intent
            basis = Basis(
                intent.seen_at if now is None else max(now, intent.seen_at),
                # of most pages no event is known
                tuple(one for by_intent in sources for one in by_intent.get(intent.id, ()))
                if sources
                else (),
                stored.get(intent.id, ()),
                history.since,
            )
            result = self._decide(match, basis, reads_facts=reads_facts)
            if isinstance(result, Unanswered):
                unanswered.append(result)
            else:
                decisions.append(result)
        locks_rows = any(match.payments for match in matches)
        return DecidedPage(tuple(decisions), loaded, locks_rows, events, tuple(unanswered))

    def _decide(
        self, match: Match, basis: Basis, *, reads_facts: bool
    ) -> MatchDecision | Unanswered:
        """Decide about one match, and read what its verdict depends on, question by question."""
        while True:
            try:
                decision = decide(
                    match,
                    self._rules,
                    basis.now,
                    events=basis.events,
                    known=basis.stored,
                    again=self._actor.again,
                    events_known_since=basis.events_known_since,
                )
                return MatchDecision(match, decision)
            except FactNeededError as needed:
                question = needed.question
            if question is Question.ORDER or not reads_facts:
                return Unanswered(match, question)
            try:
                match = with_fact(self._stripe, match, question)
            except (StripeUnavailableError, StripeRequestError) as error:
                return Unanswered(match, question, str(error))

    def record(
        self,
        decided_page: DecidedPage,
        recent: Mapping[str, tuple[Event, ...]],
        now: datetime,
        history: EventHistory = NO_HISTORY,
    ) -> PageResult:
        """Write a page in one transaction, after deciding again about the rows as they are now.

        ``recent`` are the recent events by intent, ``now`` is Stripe's time when they were read. Raises what the Store
        raises, BrakeReachedError, and DatabaseBusyError if rows kept changing. Then nothing was written.
        """
        moved: frozenset[str] = frozenset()
        is_paused = False
        for _ in range(TRIES):
            try:
                corrections_left = self._corrections_left()
                with self._store.transaction(self._actor.epoch) as transaction:
                    return self._record(
                        transaction,
                        decided_page,
                        recent,
                        now,
                        history,
                        corrections_left,
                        moved,
                        is_paused=is_paused,
                    )
            except RowMovedError as error:
                # these rows wait in the next try, so that the others of the page can be written
                moved |= error.keys
            except PausedError:
                # a person has paused the account since this page read whether it is paused
                is_paused = True
            except HourlyLimitError:
                continue  # another sweep of the service was faster: count the corrections that are left again
        raise DatabaseBusyError(
            f"rows {', '.join(sorted(moved)[:MOST_NAMED])} kept changing while Reconciler recorded them.",
            "Nothing of the page was written; run the sweep again.",
        )

    def _corrections_left(self) -> int | None:
        """How many rows may still be corrected in this hour. None for a person's sweep, which has no such limit."""
        if not self._actor.is_service or self._actor.writing is not Writing.ROWS:
            return None
        return max(0, self._per_hour - self._store.corrections_by_service(HOUR_SECONDS))

    def _record(
        self,
        transaction: PageTransaction,
        decided_page: DecidedPage,
        recent: Mapping[str, tuple[Event, ...]],
        now: datetime,
        history: EventHistory,
        corrections_left: int | None,
        moved: frozenset[str],
        *,
        is_paused: bool,
    ) -> PageResult:
        matches = [item.match for item in decided_page.decisions]
        again = transaction.read_again(
            [match.intent.id for match in matches],
            [row.key for match in matches for row in match.payments],
            lock=self._actor.writing is Writing.ROWS and decided_page.locks_rows,
            # A duplicate_payment belongs to the intent that was created later, which may be the sibling. If it were not
            # loaded, it would count as new: opened twice in the ledger, and never open again once a person resolved it.
            also_known=[other.payment_intent for match in matches for other in match.siblings],
        )
        decided_page = _with_order_rows_of_now(decided_page, transaction)
        stored = stored_by_intent(again.known)
        decisions = self._decide_again(decided_page, again, recent, now, history, moved)
        left = rows_that_left(decisions, stored, transaction)
        refused: Mapping[str, RefusedWrite] = {}
        while True:
            # collect what is to be written; the hourly limit may still turn a correction into a flag
            page_changes = PageChanges(
                self._actor,
                self._rules,
                stored,
                now,
                corrections_left,
                refused,
                again.waiting,
                self._limits.review,
                left,
                is_paused=is_paused or again.is_paused,
            )
            final = []
            for item in decisions:
                name = item.match.intent.id
                events = (*decided_page.events.get(name, ()), *recent.get(name, ()))
                decision = page_changes.add(item.match, item.decision, events)
                final.append(MatchDecision(item.match, decision))

            most_an_hour = None if corrections_left is None else self._per_hour
            record = page_changes.page(decided_page.loaded.waiting, most_an_hour)
            corrected = 0 if record is None else len(record.writes)
            self._limits.brake.check(corrected, len(final))
            result = WriteResult() if record is None else transaction.write(record)
            if not result.refused:
                return PageResult(final, corrected, page_changes.held_back, page_changes.paused)
            # the others are written without the refused rows, which become findings
            refused = {**refused, **result.refused}

    def _decide_again(
        self,
        decided_page: DecidedPage,
        again: Loaded,
        recent: Mapping[str, tuple[Event, ...]],
        now: datetime,
        history: EventHistory,
        moved: frozenset[str],
    ) -> list[MatchDecision]:
        """Decide about the rows that are still as they were loaded. The matches of other rows wait."""
        matches = [item.match for item in decided_page.decisions]
        current, gone = as_they_are_now(matches, again.payments, moved)
        changes = row_changes(matches, again.payments)
        loaded = replace(again, events=decided_page.loaded.events, paid=decided_page.loaded.paid)
        decided_again = self.decide_matches(
            current, loaded, decided_page.events, recent, now, history, reads_facts=False
        )

        # a row that changed since the load may know more than the answer from Stripe, so it waits for a newer answer
        late = [item.match for item in decided_again.decisions if changes.makes_late(item)]
        # what a changed row makes necessary to know is read by the next sweep, not while rows are locked
        late += [item.match for item in decided_again.unanswered]
        kept = [item for item in decided_again.decisions if not changes.makes_late(item)]
        why = "the row is locked, or has changed since Reconciler read it"
        waiting = (MatchDecision(match, Wait(now, why)) for match in (*late, *gone))
        return [*kept, *waiting]


def _with_order_rows_of_now(page: DecidedPage, transaction: PageTransaction) -> DecidedPage:
    """The page with the rows of its orders as they are now: a late webhook may have made one of them paid."""
    orders = {
        item.match.order
        for item in page.decisions
        if item.match.order is not None and item.match.facts.order is not None
    }
    if not orders:
        return page
    rows = transaction.rows_of_orders(sorted(orders))
    decisions = []
    for item in page.decisions:
        match, facts = item.match, item.match.facts
        if facts.order is not None:
            others = tuple(row for row in rows if row.order == match.order)
            held = facts.order.held | {row.payment_intent for row in others if row.payment_intent}
            order = replace(facts.order, rows=others, held=held)
            match = replace(match, facts=replace(facts, order=order))
        decisions.append(replace(item, match=match))
    return replace(page, decisions=tuple(decisions))


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision rests on besides the match: Stripe's time, the known events and the stored discrepancies."""

    now: datetime
    events: tuple[Event, ...]
    stored: tuple[StoredDiscrepancy, ...]
    events_known_since: datetime | None


def stored_by_intent(
    stored: Sequence[StoredDiscrepancy],
) -> dict[str, tuple[StoredDiscrepancy, ...]]:
    """The stored discrepancies of each intent: those about it, and those about a row that holds it."""
    by_intent: dict[str, list[StoredDiscrepancy]] = {}
    for item in stored:
        by_intent.setdefault(item.intent, []).append(item)
    return {intent: tuple(items) for intent, items in by_intent.items()}


def events_by_intent(events: Sequence[Event]) -> dict[str | None, list[Event]]:
    """The events of each intent, in their order; under None those that name none."""
    by_intent: dict[str | None, list[Event]] = {}
    for event in events:
        by_intent.setdefault(event.payment_intent, []).append(event)
    return by_intent
