"""One read, from the permit of the rate limiter to its result: attempts, waits between them, room for large answers, and
Stripe's time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from reconciler.adapters.stripe_gateway.transport import AttemptError, HttpAnswer
from reconciler.clock import Clock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason

if TYPE_CHECKING:
    from reconciler.adapters.stripe_gateway.error_answer import ErrorAnswer

T = TypeVar("T")

_STOP_SECONDS: Final = 0.25
"""A wait between attempts notices a stop after so long."""

_parsing = threading.Lock()
"""Parsing is pure computing, so several threads would gain nothing. One at a time bounds what hostile answers take."""


ORDINARY_BODY: Final = 1024 * 1024
"""Bytes. Of larger bodies the process holds at most MOST_LARGE_BODIES at the same time, so that all threads together stay
within the service's memory."""
MOST_LARGE_BODIES: Final = 3

_room = threading.BoundedSemaphore(MOST_LARGE_BODIES)
_of_thread = threading.local()


@contextmanager
def holding_answer() -> Iterator[None]:
    """For the length of the block the thread receives one answer and parses it."""
    _of_thread.is_large = False
    try:
        yield
    finally:
        if _of_thread.is_large:
            _of_thread.is_large = False
            _room.release()


def wait_for_room(size: int, wait_seconds: Callable[[], float]) -> None:
    """Before more of a body is received that has this size: wait, if it is large, until few enough others are held.

    ``wait_seconds`` gives the length of each wait, and what it raises ends the waiting. Call it inside ``holding_answer``.
    """
    if size <= ORDINARY_BODY or _of_thread.is_large:
        return
    while not _room.acquire(timeout=wait_seconds()):
        pass
    _of_thread.is_large = True


def do_nothing(*_: object) -> None:
    """The hook of a caller that needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHooks:
    """Called while reading, from any reading thread.

    ``acquire`` comes before every attempt, retries included. It may block, and what it raises ends the read.
    ``release`` comes at the end of every attempt that was acquired. ``limited`` comes with each answer that refuses a
    request for being too fast.
    """

    acquire: Callable[[Endpoint], None]
    release: Callable[[Endpoint], None] = do_nothing
    limited: Callable[[RateLimitReason, Endpoint], None] = do_nothing


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A read: its endpoint's limit, its description for messages, how to send it and how to parse the answer.

    ``excuse`` makes a result of an error answer that is no fault; it returns None for any other.
    """

    endpoint: Endpoint
    what: str
    send: Callable[[], HttpAnswer]
    parse: Callable[[HttpAnswer, datetime], T]
    excuse: Callable[[ErrorAnswer, datetime], T | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a failed attempt is repeated, and for how long. Times are in seconds.

    The n-th wait is drawn evenly from ``least_wait`` to ``first_wait`` times 2 to the n-1, at most ``longest_wait``:
    Stripe asks for exponential backoff with randomness. An attempt that could only begin after ``deadline``, counted
    from the first one, is not made.
    """

    attempts: int = 5
    deadline: float = 90.0
    least_wait: float = 0.1
    first_wait: float = 0.5
    longest_wait: float = 20.0


class Reader:
    """Reads for one account. Safe to share between threads.

    ``reads`` are the GETs sent so far, retries included. ``rate_limited`` are the refusals for being too fast. Once
    ``stopping`` is set no attempt begins.
    """

    def __init__(
        self,
        account: str,
        key_prefix: str,
        hooks: ReadHooks,
        retries: Retries,
        clock: Clock,
        stopping: threading.Event,
    ) -> None:
        self.reads = 0
        self.rate_limited = 0
        self.time = StripeTime(clock)
        self._account = account
        self._key_prefix = key_prefix
        self._hooks = hooks
        self._clock = clock
        self._closed = threading.Event()
        self._stopping = stopping
        self._counting = threading.Lock()
        self._policy = RetryPolicy(retries, clock, self._wait, self.is_stopping)

    def read(self, read: Read[T]) -> T:
        """The result, after as many attempts as the policy allows. Raises what the port promises."""
        send_times: list[float] = []

        def attempt() -> T:
            self._hooks.acquire(read.endpoint)
            sent_at = self._clock.monotonic()
            send_times.append(sent_at)
            with holding_answer():
                outcome = self._outcome(read, sent_at)
            if isinstance(outcome, AttemptError):
                raise outcome
            return outcome

        # the deadline counts from the first request, so that waiting for the rate limiter costs no attempts
        return self._policy.run(attempt, read.what, lambda: send_times[0])

    def _outcome(self, read: Read[T], sent_at: float) -> T | AttemptError:
        """The result of an attempt, or why it failed. The error keeps no traceback: that would keep the whole answer."""
        try:
            try:
                answer = self._send(read)
            finally:
                self._hooks.release(read.endpoint)
            return self._result(read, answer, sent_at)
        except AttemptError as error:
            return error.with_traceback(None)

    def close(self) -> None:
        """End every wait and begin no other attempt."""
        self._closed.set()

    def is_stopping(self) -> bool:
        """Whether no attempt may begin or go on."""
        return self._closed.is_set() or self._stopping.is_set()

    def _wait(self, seconds: float) -> None:
        """Wait between two attempts. A stop ends the wait soon."""
        left = seconds
        while left > 0 and not self.is_stopping():
            part = min(left, _STOP_SECONDS)
            self._clock.wait(self._closed, part)
            left -= part

    def _send(self, read: Read[T]) -> HttpAnswer:
        if self.is_stopping():
            raise AttemptError("the program is stopping", "", retry=False)
        with self._counting:
            self.reads += 1
        return read.send()

    def _result(self, read: Read[T], answer: HttpAnswer, sent_at: float) -> T:
        # an error page without Stripe's Request-Id is a proxy's, and Stripe's time is not read from it
        if answer.status == 200 or answer.request_id is not None:
            seen_at = self.time.note(answer.date, sent_at)
        else:
            seen_at = self.time.estimate(sent_at)
        if answer.status == 200:
            with _parsing:
                return read.parse(answer, seen_at)

        # imported here: most sweeps meet no refusal
        from reconciler.adapters.stripe_gateway.error_answer import ErrorAnswer

        refusal = ErrorAnswer.of(answer)
        excused = None if read.excuse is None else read.excuse(refusal, seen_at)
        if excused is not None:
            return excused

        reason = refusal.rate_limit
        if reason is not None:
            with self._counting:
                self.rate_limited += 1
            self._hooks.limited(reason, read.endpoint)
        raise refusal.as_error(read.what, self._account, self._key_prefix)


class RetryPolicy:
    """Runs attempts until one returns a result. ``wait`` waits between two; ``is_stopping`` says that none may follow."""

    def __init__(
        self,
        retries: Retries,
        clock: Clock,
        wait: Callable[[float], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._retries = retries
        self._clock = clock
        self._wait = wait
        self._is_stopping = is_stopping
        self._backoff = wait_random_exponential(
            multiplier=retries.first_wait, max=retries.longest_wait, min=retries.least_wait
        )

    def run(self, attempt: Callable[[], T], what: str, began: Callable[[], float]) -> T:
        """The result of the first attempt that has one.

        ``began`` returns the monotonic time at which the first request was sent.
        Raises StripeUnavailableError or MalformedAnswerError after the last attempt.
        """

        def is_last(state: RetryCallState) -> bool:
            next_at = self._clock.monotonic() + state.upcoming_sleep
            return (
                self._is_stopping()
                or state.attempt_number >= self._retries.attempts
                or next_at - began() > self._retries.deadline
            )

        retrying = Retrying(
            sleep=self._wait,
            retry=retry_if_exception(_may_succeed_later),
            wait=self._wait_seconds,
            stop=is_last,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except AttemptError as error:
            failed = error

        # raised outside the except block: the caller's error carries no other error along
        raise failed.final_error(what, retrying.statistics["attempt_number"])

    def _wait_seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        least = error.least_wait if isinstance(error, AttemptError) else 0.0
        return max(least, self._backoff(state))


def _may_succeed_later(error: BaseException) -> bool:
    return isinstance(error, AttemptError) and error.retry


class StripeTime:
    """The time at Stripe: that of the latest answer, advanced by the monotonic clock. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        self._skew: timedelta | None = None

    def note(self, date: datetime | None, sent_at: float) -> datetime:
        """Take the Date header of Stripe's answer. Returns the earliest time that the answer may show, a whole second.

        ``sent_at`` is the monotonic time at which the request was sent: what the answer shows may be as much older
        than its Date as the answer took. Without a Date the machine's clock serves.
        """
        local_time = self._clock.now()
        moment = local_time if date is None else date
        monotonic = self._clock.monotonic()
        with self._lock:
            self._known = (moment, monotonic)
            self._skew = None if date is None else date - local_time
        return _when_sent(moment, monotonic - sent_at)

    def estimate(self, sent_at: float) -> datetime:
        """The same for an answer that is not Stripe's: by the time of earlier answers, else by the machine's clock."""
        moment = self.now() or self._clock.now()
        return _when_sent(moment, self._clock.monotonic() - sent_at)

    @property
    def skew(self) -> timedelta | None:
        """Stripe's clock minus this machine's at the latest answer, exact to a second; None if it had no Date."""
        with self._lock:
            return self._skew

    def now(self) -> datetime | None:
        """The time at Stripe; None before the first answer."""
        with self._lock:
            known = self._known
        if known is None:
            return None
        moment, monotonic = known
        return moment + timedelta(seconds=self._clock.monotonic() - monotonic)


def _when_sent(moment: datetime, seconds: float) -> datetime:
    return (moment - timedelta(seconds=seconds)).replace(microsecond=0)
