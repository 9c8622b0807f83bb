"""A page between load and record: its matches with their decisions, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.domain.findings.discrepancy import State
from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import Question
from reconciler.domain.model.page import Loaded
from reconciler.domain.rules.decision import Decision, Keep


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
        touched = with_open.union(self.loaded.rechecks, self.events)
        unchanged: list[MatchDecision] = []
        rest: list[MatchDecision] = []
        for item in self.decisions:
            is_unchanged = item.agrees and item.match.intent.id not in touched
            (unchanged if is_unchanged else rest).append(item)
        return unchanged, replace(self, decisions=tuple(rest)) if rest else None


@dataclass(slots=True)
class PageResult:
    """What became of a page: the final decisions, and how many corrections were written or held back."""

    decisions: list[MatchDecision] = field(default_factory=list)
    corrected: int = 0
    held_back: int = 0
