"""The port of what people decide about discrepancies of all accounts. The adapter implements it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from reconciler.domain.audit.ledger_entry import AskedBy, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.review.note import Attachment, Note


class ReviewTransaction(Protocol):
    """One transaction of a person's decision: all of it is stored with its ledger entries, or nothing."""

    def discrepancies(self, ids: Sequence[int]) -> tuple[Discrepancy, ...]:
        """These discrepancies as they are now, ordered by number and locked until the end; without unknown numbers."""
        ...

    def settle(self, ids: Sequence[int], state: State, note: str, by: str) -> None:
        """Store a person's decision about each of them."""
        ...

    def reopen(self, ids: Sequence[int]) -> None:
        """Open them again: their reverts end, and the next sweep reads their payments."""
        ...

    def assign(self, ids: Sequence[int], owner: str | None) -> None:
        """Store whose they are; None: it has no owner."""
        ...

    def append(self, entries: Sequence[tuple[str, Draft]]) -> None:
        """Append ledger entries, each to the chain of its account. Call it last: it locks the heads of the chains."""
        ...


class ReviewStore(Protocol):
    """The discrepancies and notes of all accounts, for people. No method writes a row of the merchant."""

    def transaction(self) -> AbstractContextManager[ReviewTransaction]:
        """A transaction that commits at the end of the block, and rolls back on an error.

        Raises DatabaseBusyError while a sweep records one of the discrepancies.
        """
        ...

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """The discrepancy with this number, None if there is none."""
        ...

    def add_note(
        self, discrepancy: Discrepancy, text: str, by: AskedBy, attachment: Attachment | None
    ) -> Note:
        """Add a note with its ledger entry. A role that may not name an author signs with its own name."""
        ...

    def note(self, note_id: int) -> Note | None:
        """The note with this number, None if there is none."""
        ...

    def notes(self, discrepancy: Discrepancy) -> tuple[Note, ...]:
        """The notes of a discrepancy, oldest first."""
        ...

    def redact_note(self, note: Note, by: AskedBy) -> bool:
        """Blank a note's text and the name of its file, with a ledger entry; False if that was done before."""
        ...
