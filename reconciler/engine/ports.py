"""What the engine needs from outside, in its own terms. The adapters implement it; mypy checks that in ``wiring``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, tzinfo
from typing import Protocol

from reconciler.domain.audit.ledger_entry import CorrectionEntry, Draft, LedgerHead
from reconciler.domain.audit.written_value import WrittenValue
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.found_intents import FoundIntents
from reconciler.domain.model.intent import Charge, Intent, MissingIntent
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession, IdPair
from reconciler.domain.model.match_facts import UnmatchedPayment
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.model.page import EventPage, IntentPage, Loaded, PageRecord, WriteResult
from reconciler.domain.model.payment import Payment, RowReference
from reconciler.domain.model.sweep_request import RequestState, ServingProcess, TakenRequest
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.domain.read_limits_and_shortage import ReadsSpent, Source
from reconciler.engine.request_answers import AnswersAcceptances, LinesOfRequests


class Stripe(Protocol):
    """One Stripe account, for reading. The rate limiter and the read quota count every attempt of every call.

    Every call raises StripeUnavailableError if all tries failed, MalformedAnswerError if the answer is not what the
    API promises, StripeRefusedError for 401 and 403, StripeRequestError for another 4xx, and WrongKeyError for an
    object of the other mode.
    """

    @property
    def reads(self) -> int:
        """The GETs sent so far, retries included."""
        ...

    @property
    def rate_limited(self) -> int:
        """The answers with status 429 so far."""
        ...

    def now(self) -> datetime:
        """Stripe's time: the Date of the latest answer, plus the monotonic time since. Before any answer it costs a read."""
        ...

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        """One intent with its latest charge, or a MissingIntent for a 404."""
        ...

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        """One page of up to 100 intents that were created in a range, newest first, with their latest charges."""
        ...

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        """One page of up to 100 events of these types (20 at most), newest first."""
        ...

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        """All attempts to pay an intent, newest first."""
        ...

    def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        """All refunds of a charge, newest first."""
        ...

    def charge_balance(self, charge_id: str) -> ChargeBalance | None:
        """The balance transaction of a charge; None if it has none yet, or if the key may not read it."""
        ...

    def disputes(self, charge_id: str) -> tuple[Dispute, ...]:
        """All disputes of a charge, newest first."""
        ...

    def session(self, session_id: str) -> CheckoutSession | None:
        """A Checkout Session; None for a 404, which says nothing about money."""
        ...

    def charge_intent(self, charge_id: str) -> ChargeIntent | None:
        """Which intent a charge belongs to; None for a 404, which says nothing about money."""
        ...

    def search_intents(self, key: str, values: Sequence[str]) -> FoundIntents:
        """The intents that have one of these values under a key of their metadata, as far as Stripe's index knows.

        One search takes as many of the values as fit a query, at least one; the answer says which. Raises
        SearchRefusedError if Stripe does not offer its search to the account.
        """
        ...


class PageTransaction(AnswersAcceptances, Protocol):
    """The one transaction that records a page."""

    def read_again(
        self,
        intents: Sequence[str],
        keys: Sequence[str],
        *,
        lock: bool,
        also_known: Sequence[str] = (),
    ) -> Loaded:
        """The rows that hold one of these intents or have one of these keys, as they are now, ordered by key.

        With ``lock`` they are read FOR NO KEY UPDATE SKIP LOCKED: a row that another session has locked is left out.
        The answer has the stored discrepancies of the intents and of ``also_known``, but no rows of ``also_known``.
        """
        ...

    def rows_of_orders(self, orders: Sequence[str]) -> tuple[Payment, ...]:
        """As ``Store.rows_of_orders``, as the rows are now. They are not locked."""
        ...

    def columns_now(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, WrittenValue]]:
        """What the columns of [payments.set] hold now, by key and column. The rows are locked."""
        ...

    def keys_in_mapping(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys that a row of the account inside the mapping has now, locked by another session or not."""
        ...

    def write(self, record: PageRecord) -> WriteResult:
        """Write everything at once. The lease is checked and the ledger's head is taken last.

        Each written row is read back: it has to hold the outcome, intent, amount and currency that it should. The writes
        of one intent stand or fall together. If the result names refused rows, nothing of the record is stored, and the
        caller may write another record without these rows in the same transaction.

        Raises RowMovedError if a row has changed since it was compared or is busy, HourlyLimitError if the service would
        correct more rows than it may, and LeaseLostError if the lease is lost. Then nothing of the page is written.
        """
        ...


class Store(Protocol):
    """One account's part of the database."""

    def load(self, intents: Sequence[str], orders: Sequence[str] = ()) -> Loaded:
        """All that is stored about these intents, and the rows without an intent that have one of these orders."""
        ...

    @property
    def pages_at_once(self) -> int:
        """How many pages are to be loaded together: more than 1 if a lookup of a page scans the merchant's table."""
        ...

    def load_pages(self, pages: Sequence[Mapping[str, str | None]]) -> list[Loaded]:
        """As ``load`` for each page, in as few scans as possible. A page has the order that each intent names, or None."""
        ...

    def rows_of_orders(self, orders: Sequence[str]) -> tuple[Payment, ...]:
        """Every row of these orders: of any account, with or without an intent, inside the mapping or not.

        At most 101 rows of an order: more than 100 are not known.
        """
        ...

    def holders(self, intents: Sequence[str]) -> tuple[Payment, ...]:
        """Every row that holds one of these intents: of any account, inside the mapping or not.

        A row of another account or outside the mapping is marked as excluded.
        """
        ...

    def unmatched_payments(self) -> tuple[UnmatchedPayment, ...]:
        """The intents of the open missing_locally discrepancies; none if Reconciler's schema does not exist."""
        ...

    def pairs(self, texts: Sequence[str]) -> Mapping[str, IdPair]:
        """What is known of the Checkout Sessions and charges that rows hold, by their ids."""
        ...

    def remember_pairs(self, pairs: Sequence[IdPair], *, store: bool) -> None:
        """Join the rows that hold these ids to their intents from now on.

        Without ``store``, and without Reconciler's schema, only this object knows them.
        """
        ...

    def looked_up_payments(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """Those of ``payments_between`` that hold a Checkout Session or a charge."""
        ...

    def open_payments(
        self,
        created: TimeRange,
        after_key: str | None,
        limit: int,
        due_by: datetime | None = None,
    ) -> tuple[RowReference, ...]:
        """The rows with an open outcome that name an intent, ordered by key, after ``after_key``.

        Returns ``limit`` of them, and all that share the last one's key. Rows without a key are left out.
        With ``due_by``, rows that have a recheck after that time are left out.
        """
        ...

    def payments_between(
        self, created: TimeRange, after_key: str | None, limit: int
    ) -> tuple[RowReference, ...]:
        """The rows of every outcome that name an intent and were created in a range, ordered by key."""
        ...

    def newest_payments(self, limit: int) -> tuple[RowReference, ...]:
        """The rows that name an intent, those created last."""
        ...

    def count_open(self, created: TimeRange, due_by: datetime | None = None) -> int:
        """How many rows ``open_payments`` would return in all."""
        ...

    def count_open_without_intent(self, most: int) -> int:
        """How many rows with an open outcome hold no intent, so that ``open_payments`` leaves them out; at most ``most``."""
        ...

    def count_between(self, created: TimeRange) -> int:
        """How many rows ``payments_between`` would return in all."""
        ...

    def histogram(
        self, created: TimeRange, ratio: float, due_by: datetime | None = None
    ) -> Histogram:
        """The rows of ``payments_between`` from the first due row to the last, counted by time.

        The due rows are those of ``open_payments``.
        """
        ...

    def sums_by_day(
        self, created: TimeRange, zone: tzinfo
    ) -> Mapping[tuple[date, str], Mapping[str, Mapping[str, int]]]:
        """The table's own sums of a range: for each day and currency, by outcome, ``count`` and ``amount`` in minor units.

        Only rows that hold a PaymentIntent, or what belongs to one, are in them, by the time at which the row was
        created. A row whose amount is no whole number of minor units is left out, because no sum can hold it.
        """
        ...

    def left_out_by_day(
        self, created: TimeRange, zone: tzinfo
    ) -> Mapping[tuple[date | None, str], Mapping[str, Mapping[str, int]]]:
        """The rows of a range that ``sums_by_day`` leaves out, for each day and currency, by the reason.

        The reasons are ``no_account``, ``where``, ``no_payment_intent``, ``foreign_id``, ``no_time`` and ``no_amount``.
        Each has ``count`` and ``amount``, and of it ``paid_count`` and ``paid_amount``, in minor units. The day is None
        for a row without a time of creation, and the currency empty for a row without one.
        """
        ...

    def local_population(self, created: TimeRange, zone: tzinfo) -> Mapping[str, object]:
        """Where ``sums_by_day`` has its rows from, for a certificate: the table, the query with its parameters, ``where``."""
        ...

    def listing_model(self) -> ListingModel:
        """What past sweeps have shown of how many intents there are for a row, and how far their times differ."""
        ...

    def due_rechecks(self, now: datetime, limit: int) -> tuple[str, ...]:
        """The intents with a due recheck, the longest overdue first.

        A recheck that only schedules a poll is left out: ``open_payments`` returns its row.
        """
        ...

    def seen_events(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the events that have been handled before."""
        ...

    def cursors(self) -> Mapping[str, datetime]:
        """The stored cursors: until when each kind of reading has handled everything."""
        ...

    def move_cursors(self, reached: Mapping[str, datetime], epoch: int) -> None:
        """Move cursors forward, under the lease. A cursor never moves back."""
        ...

    def transaction(self, epoch: int) -> AbstractContextManager[PageTransaction]:
        """A transaction that commits at the end of the block and rolls back on an error.

        A process has one at a time for each account, so do not read from Stripe inside the block.
        """
        ...

    def corrections_by_service(self, since_seconds: int) -> int:
        """How many rows the service has corrected in the last so many seconds, by the database's clock."""
        ...

    def outbox_waiting(self) -> int:
        """How many rows of the outbox wait to be acted on."""
        ...

    def start_sweep(self, facts: Mapping[str, object]) -> int:
        """Store that a sweep begins (kind, mode, applied, asked_by); returns its number."""
        ...

    def finish_sweep(
        self, sweep: int, report: Mapping[str, object], entries: Sequence[Draft], epoch: int
    ) -> LedgerHead | None:
        """Store how a sweep ended, with its ledger entries, in one transaction.

        Returns the ledger's head after them; None if there are no entries.
        """
        ...

    def note_anchor_error(self, sweep: int, error: str) -> None:
        """Add to a stored report why the ledger's head was not anchored after the sweep."""
        ...

    def booked_reads(self) -> ReadsSpent:
        """The rolling sums of reads over 30 days, by source."""
        ...

    def book_reads(self, reads: Mapping[Source, int]) -> None:
        """Add to the rolling sums of reads."""
        ...


class DiscrepancyStore(Protocol):
    """The discrepancies and corrections of one account, for a person who writes its rows."""

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """The discrepancy with this number, None if there is none."""
        ...

    def corrections(self, sweep: int) -> tuple[CorrectionEntry, ...]:
        """What a sweep corrected, in the ledger's order."""
        ...

    def reverted_intents(self, sweep: int) -> tuple[str, ...]:
        """The intents of which a person has taken back a correction of this sweep, and no person has ended that."""
        ...

    def last_rebind(self) -> int:
        """The number of the ledger's last entry that bound the account to another table, 0 if there is none."""
        ...


class LeaseStore(Protocol):
    """The lease of one account: the right of one process to work on it, by the database's clock."""

    def acquire(self, holder: str, seconds: float) -> int | None:
        """Take the lease if it is free or expired; returns its epoch, or None if another process holds it."""
        ...

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        """Extend the lease; False if this holder has lost it."""
        ...

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        """Give the lease back, with the number of reads of the last second. Does nothing if it is lost."""
        ...

    def last_second(self) -> int:
        """The reads that an earlier holder sent in its last second; 0 if that was longer than a second ago."""
        ...

    def holder(self) -> str | None:
        """Who holds the lease now, None if it is free."""
        ...


class ReservedShare(Protocol):
    """The reserved share of one account: a part of its rate limits for a process that does not hold the lease."""

    def entered(self) -> AbstractContextManager[bool]:
        """Have the reserved share for the length of the block; whether another process holds the account."""
        ...


class SweepRequests(LinesOfRequests, Protocol):
    """The stored sweep requests of one account, for the commands that ask and for the service that answers."""

    def at_work(self) -> ServingProcess | None:
        """The service that holds the account's lease now, None if no service holds it."""
        ...

    def ask(self, asked_by: str, options: Mapping[str, object]) -> int:
        """Store a request and wake the service; returns its number."""
        ...

    def state(self, number: int) -> RequestState | None:
        """How far a request is, None if there is none of that number."""
        ...

    def withdraw(self, number: int, why: str) -> bool:
        """Withdraw a request; False if a living service has taken it, or if it was answered."""
        ...

    def take(self, epoch: int) -> TakenRequest | None:
        """Take the oldest waiting request, under the lease of this epoch; None if none waits."""
        ...

    def advance(self, number: int, epoch: int, examined: int) -> None:
        """Store how far the sweep of a request is."""
        ...

    def finish(
        self,
        number: int,
        epoch: int,
        sweep: int | None,
        examined: int,
        result: Mapping[str, object],
    ) -> None:
        """Answer a request with the whole report of its sweep."""
        ...

    def refuse(self, number: int, epoch: int, why: str) -> None:
        """Answer that the sweep will not be made. Does nothing if the request was answered before."""
        ...

    def reopen(self, epoch: int) -> int:
        """Let the requests that an earlier holder of the lease left unfinished be taken again; returns their number."""
        ...


class Progress(Protocol):
    """Receives the progress of a sweep."""

    def advance(self, examined: int, total: int | None) -> None:
        """So many intents have been examined, of ``total`` if that is known."""
        ...
