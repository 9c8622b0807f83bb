"""The bounds of one HTTP request, and the error of a request without an answer."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from reconciler.clock import Clock

LONGEST_HEAD: Final = 64 * 1024
"""Bytes: everything before the body, interim answers (1xx) included."""
SLICE_SECONDS: Final = 0.2
"""A wait notices a stop, and a deadline that the clock has reached, after so long."""


class HttpFailure(Enum):
    """Why a request has no usable answer."""

    CONNECT_TIMEOUT = "no connection in time"
    NO_CONNECTION = "no connection"
    UNTRUSTED_CERTIFICATE = "this machine does not trust its TLS certificate"
    PROXY_REFUSED = "the proxy refused"
    ANSWER_TIMEOUT = "no answer in time"
    DEADLINE = "the deadline has passed"
    STOPPED = "the program is stopping"
    BROKEN = "the connection broke"
    CUT_SHORT = "the answer is cut short"
    HEAD_TOO_LONG = "the headers of the answer do not end"
    BODY_TOO_LONG = "the answer does not end"
    WRONG_ENCODING = "the answer is not encoded as its headers say"


class HttpError(Exception):
    """A request has no usable answer.

    ``system`` is the operating system's description, empty if there is none. Neither quotes an address, a header or a
    body: a library's message may hold a password or pieces of the answer.
    """

    def __init__(self, failure: HttpFailure, system: str = "") -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.system = system


class RequestBounds:
    """How long one request may last, and how much it may receive before the body. For one thread.

    ``seconds`` limit everything together. Once ``is_stopping`` says so, ``stop_seconds`` are left at most.
    """

    def __init__(
        self, clock: Clock, seconds: float, is_stopping: Callable[[], bool], stop_seconds: float
    ) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._is_stopping = is_stopping
        self._stop_seconds = stop_seconds
        self._is_stopped = False
        self._head_left: int | None = LONGEST_HEAD

    def wait_seconds(self) -> float:
        """The seconds that the next wait may take, a slice at most.

        Raises HttpError if the deadline has passed.
        """
        now = self._clock.monotonic()
        if self._is_stopping() and not self._is_stopped:
            self._is_stopped = True
            self._deadline = min(self._deadline, now + self._stop_seconds)

        left = self._deadline - now
        if left <= 0:
            raise HttpError(HttpFailure.STOPPED if self._is_stopped else HttpFailure.DEADLINE)
        return min(left, SLICE_SECONDS)

    def most_bytes(self, wanted: int) -> int:
        """How many bytes the next read may take. Raises HttpError if the headers are too long."""
        if self._head_left is None:
            return wanted
        if self._head_left <= 0:
            raise HttpError(HttpFailure.HEAD_TOO_LONG)
        return min(wanted, self._head_left)

    def received(self, count: int) -> None:
        """So many bytes were read."""
        if self._head_left is not None:
            self._head_left -= count

    def head_is_complete(self) -> None:
        """From now on the body is read, which has its own limit."""
        self._head_left = None
