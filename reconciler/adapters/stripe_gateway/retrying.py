"""The one retry layer: which failures are tried again, how long after, and when it is enough."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from reconciler.adapters.stripe_gateway.answer import AttemptError
from reconciler.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how long. Times are in seconds.

    The n-th wait is drawn evenly from ``least_wait`` to ``first_wait`` times 2 to the n-1, at most ``longest_wait``:
    Stripe asks for exponential backoff with randomness. A try that could only begin after ``deadline``, counted from the
    first one, is not made.
    """

    attempts: int = 5
    deadline: float = 90.0
    least_wait: float = 0.1
    first_wait: float = 0.5
    longest_wait: float = 20.0


class RetryPolicy:
    """Runs attempts until one brings an answer. ``closed`` cuts every wait short."""

    def __init__(self, retries: Retries, clock: Clock, closed: threading.Event) -> None:
        self._retries = retries
        self._clock = clock
        self._closed = closed
        self._backoff = wait_random_exponential(
            multiplier=retries.first_wait, max=retries.longest_wait, min=retries.least_wait
        )

    def run(self, attempt: Callable[[], T], what: str, began: Callable[[], float]) -> T:
        """The attempt's result; StripeUnavailableError or MalformedAnswerError when the tries are used up.

        ``began`` tells when the first request was sent: a wait for the budget before it is nobody's failure.
        """

        def is_enough(state: RetryCallState) -> bool:
            next_at = self._clock.monotonic() + state.upcoming_sleep
            return (
                self._closed.is_set()
                or state.attempt_number >= self._retries.attempts
                or next_at - began() > self._retries.deadline
            )

        retrying = Retrying(
            sleep=self._sleep,
            retry=retry_if_exception(_may_help),
            wait=self._wait,
            stop=is_enough,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except AttemptError as error:
            failed = error
        raise failed.verdict(what, retrying.statistics["attempt_number"])

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        floor = error.floor if isinstance(error, AttemptError) else 0.0
        return max(floor, self._backoff(state))

    def _sleep(self, seconds: float) -> None:
        self._clock.wait(self._closed, seconds)


def _may_help(error: BaseException) -> bool:
    return isinstance(error, AttemptError) and error.retry
