"""Connections that keep to the bounds of a request: each wait ends in time, and each read is of bounded size.

They stand below httpcore, as its network.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

import httpcore

from reconciler.clock import Clock

T = TypeVar("T")

LONGEST_HEAD: Final = 64 * 1024
"""Bytes: everything before the body, interim answers (1xx) included."""
SLICE_SECONDS: Final = 0.2
"""A wait notices a stop, and a deadline that the clock has reached, after so long."""


class HttpFailure(Enum):
    """Why a request has no usable answer."""

    CONNECT_TIMEOUT = "no connection was made in time"
    NO_CONNECTION = "no connection"
    UNTRUSTED_CERTIFICATE = "this machine does not trust the server's TLS certificate"
    PROXY_REFUSED = "the proxy refused the connection"
    ANSWER_TIMEOUT = "no answer came in time"
    DEADLINE = "the time for the request has run out"
    STOPPED = "the program is stopping"
    BROKEN = "the connection broke"
    CUT_SHORT = "the answer is cut short"
    HEAD_TOO_LONG = "the headers of the answer are too long"
    BODY_TOO_LONG = "the answer is too long"
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

    ``seconds`` limit everything together. Once one of ``stops`` is set, ``stop_seconds`` are left at most.
    """

    def __init__(
        self, clock: Clock, seconds: float, stops: Sequence[threading.Event], stop_seconds: float
    ) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._stops = stops
        self._stop_seconds = stop_seconds
        self._is_stopped = False
        self._head_left: int | None = LONGEST_HEAD

    def wait_seconds(self) -> float:
        """The seconds that the next wait may take, a slice at most.

        Raises HttpError if the deadline has passed.
        """
        now = self._clock.monotonic()
        if not self._is_stopped and any(event.is_set() for event in self._stops):
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


_TLS_BYTES: Final = 64 * 1024

Connect = Callable[[str, int, RequestBounds, float | None], socket.socket]
"""Connects to a host and port, within bounds and a timeout for each address. Raises OSError."""

CurrentBounds = Callable[[], RequestBounds]
"""Returns the bounds of the request that the calling thread is making: a kept connection serves one after another."""


class Pipe(Protocol):
    """Bytes in both directions. An end of the connection is an empty read."""

    @property
    def socket(self) -> socket.socket:
        """The socket below."""
        ...

    def receive(self, most: int, timeout: float | None) -> bytes:
        """Up to so many bytes. Raises OSError, and TimeoutError if none come in ``timeout`` seconds."""
        ...

    def send(self, data: bytes, timeout: float | None) -> None:
        """Send all of it. Raises OSError."""
        ...


class SocketPipe:
    """A connected socket that does not block."""

    def __init__(self, connected: socket.socket, bounds: CurrentBounds) -> None:
        self.socket = connected
        self._bounds = bounds

    def receive(self, most: int, timeout: float | None) -> bytes:
        """Up to so many bytes."""
        while True:
            # a server that always has bytes ready is checked here, any other while waiting
            self._bounds().wait_seconds()
            try:
                return self.socket.recv(most)
            except (BlockingIOError, InterruptedError):
                pass
            wait_until_ready(self.socket, select.POLLIN, self._bounds(), timeout)

    def send(self, data: bytes, timeout: float | None) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            self._bounds().wait_seconds()
            try:
                rest = rest[self.socket.send(rest) :]
                continue
            except (BlockingIOError, InterruptedError):
                pass
            wait_until_ready(self.socket, select.POLLOUT, self._bounds(), timeout)


class TlsPipe:
    """TLS over another pipe, which may itself be TLS: that of a proxy.

    Raises ssl.SSLError if the handshake fails.
    """

    def __init__(
        self, below: Pipe, context: ssl.SSLContext, host: str | None, timeout: float | None
    ) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._run(self.tls.do_handshake, timeout)

    @property
    def socket(self) -> socket.socket:
        """The socket below."""
        return self._below.socket

    def receive(self, most: int, timeout: float | None) -> bytes:
        """Up to so many bytes."""
        try:
            return self._run(lambda: self.tls.read(most), timeout)
        except ssl.SSLEOFError:
            # many servers close without TLS's own end; whether the answer is complete is seen by its length
            return b""

    def send(self, data: bytes, timeout: float | None) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            written = self._run(lambda part=rest: self.tls.write(part), timeout)  # type: ignore[misc]
            rest = rest[written:]

    def _run(self, step: Callable[[], T], timeout: float | None) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(timeout)
            else:
                self._flush(timeout)
                return result
            data = self._below.receive(_TLS_BYTES, timeout)
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _flush(self, timeout: float | None) -> None:
        if self._outgoing.pending:
            self._below.send(self._outgoing.read(), timeout)


def wait_until_ready(
    waiting: socket.socket, event: int, bounds: RequestBounds, timeout: float | None
) -> None:
    """Wait for a socket. Raises TimeoutError after ``timeout`` seconds, HttpError at the end of the bounds."""
    poll = select.poll()
    poll.register(waiting, event)
    waited = 0.0
    while True:
        seconds = bounds.wait_seconds()
        if timeout is not None:
            seconds = min(seconds, timeout - waited)
        if poll.poll(math.ceil(seconds * 1000)):
            return
        waited += seconds
        if timeout is not None and waited >= timeout:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def is_readable(waiting: socket.socket) -> bool:
    """Whether bytes or the end of the connection have arrived."""
    poll = select.poll()
    poll.register(waiting, select.POLLIN)
    return bool(poll.poll(0))


SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class BoundedNetwork(httpcore.NetworkBackend):
    """Opens connections. A thread makes its requests inside ``bounded``. Safe to share between threads."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._of_thread = threading.local()

    @contextmanager
    def bounded(self, bounds: RequestBounds) -> Iterator[None]:
        """Keep this thread's request within bounds until the block ends."""
        self._of_thread.bounds = bounds
        try:
            yield
        finally:
            del self._of_thread.bounds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - httpcore names it, and Reconciler sets none
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of a host that accepts one."""
        bounds = self._bounds()
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            opened = self._connect(host, port, bounds, timeout)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in socket_options or ():
                opened.setsockopt(*option)
        return _Stream(SocketPipe(opened, self._bounds), self._bounds)

    def _bounds(self) -> RequestBounds:
        bounds: RequestBounds = self._of_thread.bounds
        return bounds


class _Stream(httpcore.NetworkStream):
    """A connection as httpcore uses it."""

    def __init__(self, pipe: Pipe, bounds: CurrentBounds) -> None:
        self._pipe = pipe
        self._bounds = bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        bounds = self._bounds()
        most = bounds.most_bytes(max_bytes)
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            data = self._pipe.receive(most, timeout)
        bounds.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            self._pipe.send(buffer, timeout)

    def close(self) -> None:
        self._pipe.socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        has_started = False
        try:
            with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
                pipe = TlsPipe(self._pipe, ssl_context, server_hostname, timeout)
            has_started = True
        finally:
            if not has_started:
                self.close()
        return _Stream(pipe, self._bounds)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "is_readable":
                return is_readable(self._pipe.socket)
            case "ssl_object":
                return self._pipe.tls if isinstance(self._pipe, TlsPipe) else None
            case "socket":
                return self._pipe.socket
            case _:
                return None


@contextmanager
def _as_httpcore(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Raise httpcore's errors for those of sockets, which stay their causes."""
    try:
        yield
    except TimeoutError as error:
        raise timeout from error
    except OSError as error:
        raise failure from error
