"""A page between load and record: its matches with their decisions, what happened to its rows, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import State, StoredDiscrepancy
from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import Question
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.planning.histogram import PAGE_SIZE
from reconciler.domain.rules.decision import Correct, Decision, Keep
from reconciler.engine.ports import PageTransaction
from reconciler.engine.reads.fetcher import FetchedIntent
from reconciler.masking import is_masked


@dataclass(frozen=True, slots=True)
class MatchDecision:
    """A match with the decision about it."""

    match: Match
    decision: Decision

    @property
    def agrees(self) -> bool:
        """Whether both sides agree: there is nothing to write and nothing to wait for."""
        return isinstance(self.decision, Keep)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A match without a decision: its verdict depends on a question that has no answer yet.

    ``why`` says why it could not be answered; None if it was not asked, because orders are read at the end of a sweep.
    """

    match: Match
    question: Question
    why: str | None = None


@dataclass(frozen=True, slots=True)
class DecidedPage:
    """A page that was loaded and decided, and is not recorded yet."""

    decisions: tuple[MatchDecision, ...]
    loaded: Loaded
    locks_rows: bool = True
    """False if no match has a row: then there is nothing to lock."""
    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    """The events because of which the tail read the intents, by intent. They count as seen once the page is recorded."""
    unanswered: tuple[Unanswered, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every match agrees: then the recent events need not be read."""
        return all(item.agrees for item in self.decisions)

    def split_unchanged(self) -> tuple[list[MatchDecision], DecidedPage | None]:
        """The decisions for which nothing would be written, and the page of the others (None if there are no others).

        Most matches of a page agree, and have no open discrepancy, no recheck and no event. Their rows are neither
        locked nor read again.
        """
        with_open = {item.intent for item in self.loaded.known if item.state is State.OPEN}
        with_recheck = (recheck.payment_intent for recheck in self.loaded.waiting)
        touched = with_open.union(with_recheck, self.events)
        unchanged: list[MatchDecision] = []
        rest: list[MatchDecision] = []
        for item in self.decisions:
            is_unchanged = item.agrees and item.match.intent.id not in touched
            (unchanged if is_unchanged else rest).append(item)
        return unchanged, replace(self, decisions=tuple(rest)) if rest else None


MOST_TOGETHER: Final = 30
"""So many matches of several pages are recorded in one transaction: their rows stay locked for some milliseconds."""
MOST_TOGETHER_WITH_A_SCAN: Final = 250
"""The same for a table that each of these transactions may have to read whole."""


@dataclass(frozen=True, slots=True)
class HeldPage:
    """A decided page with the answers from Stripe that it is made of."""

    decided_page: DecidedPage
    answers: tuple[FetchedIntent, ...]

    @property
    def oldest(self) -> float:
        """When its oldest answer was asked for, by the monotonic clock."""
        return min((answer.at for answer in self.answers), default=0.0)

    @property
    def newest(self) -> float:
        """When its newest answer was asked for, by the monotonic clock."""
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

    def with_page(self, other: HeldPage) -> HeldPage:
        """Both pages as one, to be recorded in one transaction."""
        first, second = self.decided_page, other.decided_page
        loaded = replace(
            first.loaded,
            payments=first.loaded.payments + second.loaded.payments,
            claimable=first.loaded.claimable + second.loaded.claimable,
            paid=first.loaded.paid + second.loaded.paid,
            known=first.loaded.known + second.loaded.known,
            events=first.loaded.events + second.loaded.events,
            waiting=first.loaded.waiting + second.loaded.waiting,
        )
        page = replace(
            first,
            decisions=first.decisions + second.decisions,
            loaded=loaded,
            locks_rows=first.locks_rows or second.locks_rows,
            events={**first.events, **second.events},
        )
        return HeldPage(page, self.answers + other.answers)


def joined(pages: Iterable[HeldPage], pages_at_once: int = 1) -> list[HeldPage]:
    """The pages in their order, small ones together: most pages have a few matches that are not as they should be.

    ``pages_at_once`` is more than 1 if each transaction may scan the merchant's table; then fewer are made.
    A page that points a row at another intent stays alone, and so does a second page about the same intent or row.
    """
    most = MOST_TOGETHER if pages_at_once == 1 else MOST_TOGETHER_WITH_A_SCAN
    result: list[HeldPage] = []
    names: set[str] = set()
    for page in pages:
        decisions = page.decided_page.decisions
        own = {item.match.intent.id for item in decisions}
        own |= {f"row {row.key}" for item in decisions for row in item.match.payments}
        last = result[-1] if result else None
        fits = (
            last is not None
            and len(last.decided_page.decisions) + len(decisions) <= most
            and last.decided_page.locks_rows == page.decided_page.locks_rows
            and names.isdisjoint(own)
            and not any(
                _changes_intent(item) for item in (*last.decided_page.decisions, *decisions)
            )
        )
        if last is not None and fits:
            result[-1] = last.with_page(page)
            names |= own
        else:
            result.append(page)
            names = own
    return result


def parted(page: DecidedPage) -> list[DecidedPage]:
    """The page, with each decision that points a row at another intent on a page of its own; a large one in parts.

    Such a write stands alone in its transaction: if another row takes the intent meanwhile, nothing else is undone.
    """
    alone = [item for item in page.decisions if _changes_intent(item)]
    if not alone and len(page.decisions) <= PAGE_SIZE:
        return [page]
    others = tuple(item for item in page.decisions if not _changes_intent(item))
    parts = [others[first : first + PAGE_SIZE] for first in range(0, len(others), PAGE_SIZE)]
    return [replace(page, decisions=part) for part in (*parts, *((item,) for item in alone))]


def _changes_intent(item: MatchDecision) -> bool:
    """Whether a decision points a row at another intent."""
    return isinstance(item.decision, Correct) and item.decision.to_intent is not None


@dataclass(slots=True)
class PageResult:
    """What became of a page: the final decisions, and how many corrections were written, held back or paused."""

    decisions: list[MatchDecision] = field(default_factory=list)
    corrected: int = 0
    held_back: int = 0
    paused: int = 0


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What happened to the rows of a page between the load and the lock, by intent."""

    changed: frozenset[str]
    """The intents of which a row is not as it was loaded."""
    joined: frozenset[str]
    """The intents that a row holds which did not hold them before."""

    def makes_late(self, item: MatchDecision) -> bool:
        """Whether the change of the row may be newer than the answer from Stripe, so that the decision has to wait."""
        intent = item.match.intent.id
        if intent in self.changed:
            return not item.agrees
        return intent in self.joined and isinstance(item.decision, Correct)


def row_changes(matches: Sequence[Match], payments: Sequence[Payment]) -> RowChanges:
    # a key that is null, or not unique, names several rows
    now: dict[str, set[tuple[str | None, ...]]] = {}
    for row in payments:
        now.setdefault(row.key, set()).add(_content(row))
    # A row may have changed from one match of the page to another. There it is new, as if it had been inserted.
    loaded = {
        (row.key, intent)
        for match in matches
        for row in match.payments
        for intent in (row.payment_intent, match.intent.id)
    }
    return RowChanges(
        changed=frozenset(
            match.intent.id
            for match in matches
            if any(_content(row) not in now.get(row.key, {_content(row)}) for row in match.payments)
        ),
        joined=frozenset(
            row.payment_intent
            for row in payments
            if row.payment_intent is not None and (row.key, row.payment_intent) not in loaded
        ),
    )


def _content(row: Payment) -> tuple[str | None, ...]:
    """What a change of a row shows in: its text, intent, status, amount and currency as the row holds them."""
    return (
        row.column_text,
        row.payment_intent,
        row.status,
        row.stored_amount,
        row.stored_currency,
    )


def as_they_are_now(
    matches: Sequence[Match], payments: Sequence[Payment], moved: frozenset[str]
) -> tuple[list[Match], list[Match]]:
    """The matches with their rows as read again; and those with a row that is locked, gone, moved or holds another id."""
    by_key: dict[str, list[Payment]] = {}
    for payment in payments:
        by_key.setdefault(payment.key, []).append(payment)
    by_intent: dict[str | None, list[Payment]] = {}
    for payment in payments:
        by_intent.setdefault(payment.payment_intent, []).append(payment)

    current, gone = [], []
    for match in matches:
        rows = {payment.key: payment for payment in by_intent.get(match.intent.id, ())}
        for loaded in match.payments:
            row = _same_row(loaded, by_key.get(loaded.key, ()))
            if row is not None:
                rows[loaded.key] = row
        all_are_there = all(loaded.key in rows for loaded in match.payments)
        if all_are_there and not moved & rows.keys():
            ordered = tuple(rows[key] for key in sorted(rows))
            current.append(replace(match, payments=ordered))
        else:
            gone.append(match)
    return current, gone


def _same_row(loaded: Payment, rows: Sequence[Payment]) -> Payment | None:
    """The row that was loaded, among those with its key; None if none of them holds its id."""
    same = [row for row in rows if row.column_text == loaded.column_text]
    return next(
        (row for row in same if row.order == loaded.order), same[0] if len(same) == 1 else None
    )


def rows_that_left(
    decisions: Sequence[MatchDecision],
    stored: Mapping[str, tuple[StoredDiscrepancy, ...]],
    transaction: PageTransaction,
) -> frozenset[int]:
    """The open discrepancies, by number, of which no row is in the mapping any more. Rows are looked up by their keys."""
    without_row = [item.match.intent.id for item in decisions if not item.match.payments]
    sought = [one for intent in without_row for one in stored.get(intent, ()) if one.is_about_rows]
    # a key that held a secret is stored masked, and no row can be found by it
    sought = [one for one in sought if not any(map(is_masked, one.keys))]
    if not sought:
        return frozenset()
    present = transaction.keys_in_mapping(sorted({key for one in sought for key in one.keys}))
    return frozenset(one.id for one in sought if present.isdisjoint(one.keys))
