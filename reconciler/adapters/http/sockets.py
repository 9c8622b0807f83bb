"""Sockets that never block: each wait ends at the bounds of the request that the thread is making."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from reconciler.adapters.http.bounds import RequestBounds
from reconciler.adapters.http.resolver import AddressInfo

T = TypeVar("T")

_TLS_BYTES: Final = 64 * 1024

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


def connected_socket(
    addresses: list[AddressInfo], bounds: RequestBounds, timeout: float | None
) -> socket.socket:
    """A socket that is connected to the first of the addresses that accepts. ``timeout`` is for each of them.

    Raises OSError if none does, and TimeoutError if the last one did not answer in time.
    """
    failure = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, address in addresses:
        opened = socket.socket(family, kind, protocol)
        is_connected = False
        try:
            opened.setblocking(False)
            _connect(opened, address, bounds, timeout)
            is_connected = True
        except OSError as error:
            failure = error
        finally:
            if not is_connected:
                opened.close()
        if is_connected:
            return opened
    raise failure


def _connect(
    opened: socket.socket,
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
    bounds: RequestBounds,
    timeout: float | None,
) -> None:
    code = opened.connect_ex(address)
    if code == errno.EINPROGRESS:
        wait_until_ready(opened, select.POLLOUT, bounds, timeout)
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


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
