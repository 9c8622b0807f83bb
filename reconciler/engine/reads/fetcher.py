"""Reads from Stripe with several threads at once, and hands the answers over page by page."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self, TypeVar

from reconciler.clock import Clock
from reconciler.domain.model.intent import Event, Intent, MissingIntent
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import is_intent_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import FINAL_AT_STRIPE
from reconciler.engine.not_examined import Unexamined
from reconciler.engine.ports import Stripe
from reconciler.errors import (
    DatabaseBusyError,
    MalformedAnswerError,
    StripeRequestError,
    StripeUnavailableError,
)

T = TypeVar("T")

PAGES_AHEAD: Final = 24
"""So many pages may wait to be handed over. At Stripe's limit they are read within the second that a recording may take."""
STALE_SECONDS: Final = 30.0
"""An older answer is fetched again before anything is recorded by it, unless it cannot change any more."""

FAILED_IN_A_ROW: Final = 20
"""After so many failed retrieves without an answer between them, Stripe is taken to be away."""
TRIED_WHILE_AWAY: Final = 10
"""Then only one of so many is retrieved, until one is answered."""


@dataclass(frozen=True, slots=True)
class FetchedIntent:
    """Stripe's answer about an intent. ``at`` is when it was asked for, in seconds by the monotonic clock."""

    intent: Intent | MissingIntent
    at: float

    def is_stale(self, now: float) -> bool:
        """Whether it must be fetched again before it is recorded. ``now`` is by the monotonic clock."""
        if now - self.at <= STALE_SECONDS or not isinstance(self.intent, Intent):
            return False
        return self.intent.outcome not in FINAL_AT_STRIPE


class Origin(Enum):
    """Why an intent was read."""

    ROW = "row"
    """A row, a recheck or a person names it."""
    LIST = "list"
    """Stripe's list shows it."""
    PLANNED = "planned"
    """Stripe's list shows it, and the list was read only for the open rows of its range, because there are many."""
    EVENT = "event"
    """An event names it."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """Up to a hundred answers, and what could not be read.

    For a page of a list, ``stretch`` is the listed range, and ``ends`` is whether this page is the last one.
    ``events`` are those because of which the tail read the intents, by intent.
    """

    answers: tuple[FetchedIntent, ...]
    failures: tuple[Unexamined, ...] = ()
    origin: Origin = Origin.ROW
    stretch: TimeRange | None = None
    ends: bool = False
    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    loaded: Loaded | DatabaseBusyError | None = None
    """What the database knows of them, or why it could not be read, if several pages were loaded together."""
    is_followed: bool = False
    """Whether the next page was loaded together with this one. Both are recorded together too, to scan the table once."""

    @property
    def is_lost(self) -> bool:
        """Whether nothing of it could be read."""
        return bool(self.failures) and not self.answers


class Fetcher:
    """Reads with a pool of threads. Use it in a with block.

    A read that fails becomes a failure of its page. An error that ends the sweep is raised by the iterators. In an outage
    of Stripe most retrieves fail without a read, so that the outage costs neither minutes nor the read quota.
    ``page_size`` is how many intents one page retrieves at most.
    """

    def __init__(self, stripe: Stripe, clock: Clock, workers: int, page_size: int) -> None:
        self._stripe = stripe
        self._clock = clock
        self.page_size = page_size
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="stripe")
        # threads add to it without a lock: a few more or fewer do not matter
        self._failed_in_a_row = 0
        self._left_out = 0
        self._last_failure = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def retrieve_pages(self, intents: Iterable[str]) -> Iterator[FetchedPage]:
        """Retrieve each intent. While one page is processed, the next one is read."""
        source = iter(intents)
        # two pages are under way at most, so that the answers do not become stale in the queue
        reading: deque[list[Future[FetchedIntent | Unexamined]]] = deque()
        while chunk := list(islice(source, self.page_size)):
            reading.append([self._pool.submit(self._retrieve, intent) for intent in chunk])
            if len(reading) > 1:
                yield _collected(reading.popleft())
        while reading:
            yield _collected(reading.popleft())

    def retrieve_again(self, intents: Sequence[str]) -> FetchedPage:
        """Retrieve these intents now, as one page."""
        return _collected([self._pool.submit(self._retrieve, intent) for intent in intents])

    def each(self, read: Callable[[str], T], ids: Sequence[str]) -> list[T]:
        """The result of reading each of these ids, in their order."""
        return list(self._pool.map(read, ids))

    def list_pages(self, stretches: Sequence[TimeRange]) -> Iterator[FetchedPage]:
        """List each stretch with its own cursor. The pages come in the order in which they arrive.

        While a page is processed the cursors read ahead, up to ``PAGES_AHEAD`` pages.
        """
        cursors = _Cursors(self._pool, self._list)
        for stretch in stretches:
            cursors.start(stretch, None)
        yield from cursors.pages()

    def planned_pages(
        self, stretches: Sequence[TimeRange], goes_on: Callable[[TimeRange, int], bool]
    ) -> Iterator[FetchedPage]:
        """List stretches for a plan. ``goes_on`` decides about each further page of a stretch.

        It is called with the stretch and its reads so far, after the page before was processed: what that page showed
        counts for the decision.
        """
        pages = dict.fromkeys(stretches, 1)
        reading = {self._pool.submit(self._list, stretch, None): stretch for stretch in pages}
        while reading:
            done, _ = wait(reading, return_when=FIRST_COMPLETED)
            for future in done:
                stretch = reading.pop(future)
                page, after = future.result()
                yield replace(page, origin=Origin.PLANNED)
                if after is not None and goes_on(stretch, pages[stretch]):
                    pages[stretch] += 1
                    reading[self._pool.submit(self._list, stretch, after)] = stretch

    def _retrieve(self, intent_id: str) -> FetchedIntent | Unexamined:
        if not is_intent_id(intent_id):
            seen_at = self._stripe.now()
            return FetchedIntent(
                MissingIntent(intent_id, seen_at, impossible=True), self._clock.monotonic()
            )
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            self._left_out += 1
            if self._left_out % TRIED_WHILE_AWAY:
                return Unexamined(intent_id, self._last_failure)
        # the time before the request: the answer may already be outdated when it arrives
        at = self._clock.monotonic()
        try:
            answer = self._stripe.retrieve(intent_id)
        except (MalformedAnswerError, StripeRequestError) as error:
            # Stripe answered: this says nothing about the others
            return Unexamined(intent_id, str(error))
        except StripeUnavailableError as error:
            self._failed_in_a_row += 1
            self._last_failure = str(error)
            return Unexamined(intent_id, str(error))
        self._failed_in_a_row = 0
        return FetchedIntent(answer, at)

    def _list(self, stretch: TimeRange, after: str | None) -> tuple[FetchedPage, str | None]:
        at = self._clock.monotonic()
        try:
            page = self._stripe.list_intents(stretch, after)
        except (StripeUnavailableError, StripeRequestError) as error:
            rest = "" if after is None else f", older than {after}"
            lost = Unexamined(f"the intents created {range_text(stretch)}{rest}", str(error))
            return FetchedPage((), (lost,), Origin.LIST, stretch), None
        answers = tuple(FetchedIntent(intent, at) for intent in page.intents)
        unreadable = tuple(
            Unexamined(intent, "Stripe's answer about this PaymentIntent could not be read.")
            for intent in page.unreadable
        )
        # an object that could not be read is missing from the list, so it counts as a failure of the page
        ends = page.next_after is None
        return FetchedPage(answers, unreadable, Origin.LIST, stretch, ends), page.next_after


@dataclass(frozen=True, slots=True)
class _Listing:
    """A page with the cursor of the next one. ``goes_on`` is whether the next one is being read already."""

    page: FetchedPage
    stretch: TimeRange
    after: str | None
    goes_on: bool


class _Cursors:
    """Cursors that read ahead while there is room for their pages. A cursor without room goes on when its page is taken.

    No thread of the pool waits for room, because the thread that takes the pages may itself need one of the pool.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        read: Callable[[TimeRange, str | None], tuple[FetchedPage, str | None]],
    ) -> None:
        self._pool = pool
        self._read = read
        self._room = threading.Semaphore(PAGES_AHEAD)
        self._ready: SimpleQueue[Future[_Listing]] = SimpleQueue()
        self._under_way = threading.Semaphore(0)

    def start(self, stretch: TimeRange, after: str | None) -> None:
        """Read a page of a stretch, and then the pages after it."""
        self._under_way.release()
        self._submit(stretch, after)

    def pages(self) -> Iterator[FetchedPage]:
        """Every page. The pages of one stretch keep their order; several stretches mix as the answers arrive."""
        while self._under_way.acquire(blocking=False):
            listing = self._ready.get().result()
            if listing.goes_on:
                self._room.release()
            elif listing.after is not None:
                # the cursor had found no room; there is some now
                self.start(listing.stretch, listing.after)
            yield listing.page

    def _submit(self, stretch: TimeRange, after: str | None) -> None:
        self._pool.submit(self._step, stretch, after).add_done_callback(self._done)

    def _step(self, stretch: TimeRange, after: str | None) -> _Listing:
        page, after = self._read(stretch, after)
        goes_on = after is not None and self._room.acquire(blocking=False)
        return _Listing(page, stretch, after, goes_on)

    def _done(self, future: Future[_Listing]) -> None:
        """Hand a page over and begin to read the next one of its stretch."""
        succeeded = not future.cancelled() and future.exception() is None
        listing = future.result() if succeeded else None
        if listing is None or not listing.goes_on:
            self._ready.put(future)
            return
        # Count the next page before this one is handed over, so that ``pages`` does not end too early.
        self._under_way.release()
        self._ready.put(future)
        # the pool is closed if the sweep has ended early; then no thread waits for the page
        with contextlib.suppress(RuntimeError):
            self._submit(listing.stretch, listing.after)


def _collected(futures: Sequence[Future[FetchedIntent | Unexamined]]) -> FetchedPage:
    answers, failures = [], []
    for future in futures:
        match future.result():
            case FetchedIntent() as answer:
                answers.append(answer)
            case Unexamined() as failure:
                failures.append(failure)
    return FetchedPage(tuple(answers), tuple(failures))


def range_text(created: TimeRange) -> str:
    """A range of time as a report names it."""
    since = "" if created.since is None else f"from {created.since:%Y-%m-%d %H:%M:%S}"
    until = "" if created.until is None else f"until {created.until:%Y-%m-%d %H:%M:%S}"
    return f"{since} {until}".strip() or "at any time"
