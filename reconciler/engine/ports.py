"""What the engine needs of the outside, as it would like to have it. The adapters fit; wiring proves it to mypy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from reconciler.domain.audit.ledger import Draft
from reconciler.domain.findings.discrepancy import Discrepancy, State
from reconciler.domain.model.intent import Charge, Intent, MissingIntent
from reconciler.domain.model.page import (
    CorrectionEntry,
    EventPage,
    IntentPage,
    Loaded,
    PageRecord,
    RowReference,
    TimeRange,
)
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.domain.quota.source_priority import ReadsSpent, Source


class Stripe(Protocol):
    """One Stripe account, for reading. Every attempt of every call is paced and counted.

    All calls raise StripeUnavailableError when the tries are used up, MalformedAnswerError for an answer that is none,
    StripeRefusedError for 401 and 403, StripeRequestError for another 4xx, WrongKeyError for an object of the other
    mode.
    """

    @property
    def reads(self) -> int:
        """GETs sent so far, retries included."""
        ...

    @property
    def rate_limited(self) -> int:
        """Answers with 429 so far."""
        ...

    def now(self) -> datetime:
        """Stripe's time: that of the latest answer, moved on by our monotonic clock; costs a read where none is known."""
        ...

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        """One intent with its latest charge, or that it is not there."""
        ...

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        """One page of up to 100 intents created in a range, newest first, with their latest charges."""
        ...

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        """One page of up to 100 events of these types (20 at most), newest first."""
        ...

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        """All attempts to pay an intent, newest first."""
        ...


class PageTransaction(Protocol):
    """The one transaction in which a page is recorded."""

    def read_again(
        self,
        intents: Sequence[str],
        keys: Sequence[str],
        *,
        lock: bool,
        also_known: Sequence[str] = (),
    ) -> Loaded:
        """The rows that hold one of these intents or have one of these keys, as they are now, ordered by key.

        With ``lock`` they are taken FOR NO KEY UPDATE SKIP LOCKED: a row that somebody else has locked is not in the
        answer. Stored discrepancies of the intents come with them, and of those ``also_known``, whose rows do not.
        """
        ...

    def write(self, record: PageRecord) -> None:
        """Everything at once, the lease checked and the ledger's head taken last.

        Raises RowMovedError where a row was not as it was compared, RowRefusedError where the table's owner forbids a
        write, HourlyLimitError where the service would correct more than it may, LeaseLostError where the lease is
        gone; in every case nothing of the page is written.
        """
        ...


class Store(Protocol):
    """One account's part of the database."""

    def load(self, intents: Sequence[str], orders: Sequence[str] = ()) -> Loaded:
        """What there is about these intents, and the rows without an intent that have one of these orders."""
        ...

    def open_payments(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        due_by: datetime | None = None,
    ) -> tuple[RowReference, ...]:
        """Rows with an open outcome that name an intent, ordered by key, from after ``after_key``.

        ``limit`` of them, and all that share the last one's key; rows without a key are left out.
        With ``due_by`` only those for which no check lies after it.
        """
        ...

    def payments_between(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """Rows of whatever outcome that name an intent and were created in a range, ordered by key."""
        ...

    def newest_payments(self, limit: int) -> tuple[RowReference, ...]:
        """The rows that name an intent, those created last."""
        ...

    def count_open(self, created: TimeRange, due_by: datetime | None = None) -> int:
        """How many rows ``open_payments`` would give in all."""
        ...

    def count_between(self, created: TimeRange) -> int:
        """How many rows ``payments_between`` would give in all."""
        ...

    def histogram(
        self, created: TimeRange, ratio: float, due_by: datetime | None = None
    ) -> Histogram:
        """``payments_between`` from the first that is due to the last, counted by time; due are the ``open_payments``."""
        ...

    def listing_model(self) -> ListingModel:
        """What past sweeps have shown of how rows and intents belong together."""
        ...

    def due_rechecks(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Intents whose check has come, the longest overdue first; what is only scheduled comes as an open row."""
        ...

    def seen_events(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the events that have been handled before."""
        ...

    def cursors(self) -> Mapping[str, datetime]:
        """How far each net that is cast again and again has come."""
        ...

    def move_cursors(self, reached: Mapping[str, datetime], epoch: int) -> None:
        """Move cursors, under the lease; they never move back."""
        ...

    def transaction(self, epoch: int) -> AbstractContextManager[PageTransaction]:
        """A transaction that commits at the end of the block and rolls back on an error.

        Within a process the account has one at a time, so ask Stripe nothing in the block.
        """
        ...

    def corrections_by_service(self, since_seconds: int) -> int:
        """How many rows the service has corrected in the last so many seconds, by the database's clock."""
        ...

    def start_sweep(self, facts: Mapping[str, object]) -> int:
        """Remember that a sweep begins (kind, mode, applied, asked_by); returns its number."""
        ...

    def finish_sweep(
        self, sweep: int, report: Mapping[str, object], entries: Sequence[Draft], epoch: int
    ) -> None:
        """Remember how it ended, with its ledger entries, in one transaction."""
        ...

    def booked_reads(self) -> ReadsSpent:
        """The rolling sums of reads over 30 days, by net."""
        ...

    def book_reads(self, reads: Mapping[Source, int]) -> None:
        """Add to the rolling sums of reads."""
        ...


class DiscrepancyStore(Protocol):
    """The discrepancies and corrections of one account, for a person to settle."""

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """One discrepancy, None where there is none with this number."""
        ...

    def settle(self, discrepancy_id: int, state: State, note: str, by: str, entry: Draft) -> None:
        """Set a person's verdict with its ledger entry, in one transaction."""
        ...

    def corrections(self, sweep: int) -> tuple[CorrectionEntry, ...]:
        """What a sweep corrected, in the ledger's order."""
        ...


class LeaseStore(Protocol):
    """The right of one process to work on one account, by the database's clock."""

    def acquire(self, holder: str, seconds: float) -> int | None:
        """Take the lease if it is free or expired; returns its epoch, or None where another holds it."""
        ...

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        """Extend it; False where it is no longer ours."""
        ...

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        """Give it back, with the reads of our last second; nothing happens where it is no longer ours."""
        ...

    def last_second(self) -> int:
        """Reads that an earlier holder sent in its last second, 0 where that is longer ago than a second."""
        ...

    def holder(self) -> str | None:
        """Who has it now, None where nobody does."""
        ...


class Progress(Protocol):
    """Who watches a sweep."""

    def advance(self, examined: int, total: int | None) -> None:
        """So many intents have been examined, of so many where that is known."""
        ...
