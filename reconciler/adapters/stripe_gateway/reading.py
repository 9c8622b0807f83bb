"""One read from its purchase to its result: every attempt is bought and counted, every answer judged in one place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from reconciler.adapters.stripe_gateway.answer import AttemptError, HttpAnswer
from reconciler.adapters.stripe_gateway.counts import ReadCounts
from reconciler.adapters.stripe_gateway.credentials import KeyLabel
from reconciler.adapters.stripe_gateway.refusal import ErrorAnswer
from reconciler.adapters.stripe_gateway.retrying import Retries, RetryPolicy
from reconciler.adapters.stripe_gateway.stripe_time import StripeTime
from reconciler.clock import Clock
from reconciler.domain.quota.stripe_limits import Endpoint, RateLimitReason

T = TypeVar("T")


def nothing(*_: object) -> None:
    """The hook of a caller who does not want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHooks:
    """What is told while reading, from whatever thread reads.

    ``buy`` comes before every attempt, retries included: it may block, and what it raises ends the read. ``done`` comes
    when the attempt has ended, however it did. ``limited`` comes with each refusal for being too fast.
    """

    acquire: Callable[[Endpoint], None]
    release: Callable[[Endpoint], None] = nothing
    limited: Callable[[RateLimitReason, Endpoint], None] = nothing


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A read: what it counts against, what it is in words, how it is sent and what is made of the answer.

    ``excuse`` makes a result of a refusal that is an answer and no fault; for any other it gives None.
    """

    endpoint: Endpoint
    what: str
    send: Callable[[], HttpAnswer]
    parse: Callable[[HttpAnswer, datetime], T]
    excuse: Callable[[ErrorAnswer, datetime], T | None] | None = None


class Reader:
    """Reads for one account. Safe to share between threads."""

    def __init__(
        self, account: str, key: KeyLabel, hooks: ReadHooks, retries: Retries, clock: Clock
    ) -> None:
        self.counts = ReadCounts()
        self.time = StripeTime(clock)
        self._account = account
        self._key = key
        self._hooks = hooks
        self._clock = clock
        self._closed = threading.Event()
        self._policy = RetryPolicy(retries, clock, self._closed)

    def read(self, read: Read[T]) -> T:
        """The result, after as many tries as the policy allows. Raises what the port promises."""
        sent_first: list[float] = []

        def attempt() -> T:
            self._hooks.acquire(read.endpoint)
            sent_at = self._clock.monotonic()
            sent_first.append(sent_at)
            try:
                answer = self._sent(read)
            finally:
                self._hooks.release(read.endpoint)
            return self._decisions(read, answer, sent_at)

        return self._policy.run(attempt, read.what, lambda: sent_first[0])

    def close(self) -> None:
        """Cut waits short and begin no other try."""
        self._closed.set()

    def _sent(self, read: Read[T]) -> HttpAnswer:
        if self._closed.is_set():
            raise AttemptError("the program is stopping", "", retry=False)
        self.counts.sent(read.endpoint)
        return read.send()

    def _decisions(self, read: Read[T], answer: HttpAnswer, sent_at: float) -> T:
        if answer.is_stripes:
            seen_at = self.time.note(answer.headers.get("date"), sent_at)
        else:
            seen_at = self.time.without_note(sent_at)
        if answer.status == 200:
            return read.parse(answer, seen_at)
        refusal = ErrorAnswer.of(answer)
        excused = None if read.excuse is None else read.excuse(refusal, seen_at)
        if excused is not None:
            return excused
        reason = refusal.rate_limit
        if reason is not None:
            self.counts.limited(read.endpoint)
            self._hooks.limited(reason, read.endpoint)
        raise refusal.failure(read.what, self._account, self._key)
