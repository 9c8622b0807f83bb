"""httpcore's network, made of sockets that keep to the bounds of a request."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from reconciler.adapters.http.bounds import RequestBounds
from reconciler.adapters.http.resolver import Resolver
from reconciler.adapters.http.sockets import (
    CurrentBounds,
    Pipe,
    SocketPipe,
    TlsPipe,
    connected_socket,
    is_readable,
)

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class BoundedNetwork(httpcore.NetworkBackend):
    """Opens connections. A thread makes its requests inside ``bounded``. Safe to share between threads."""

    def __init__(self) -> None:
        self._resolver = Resolver()
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
            addresses = self._resolver.addresses(host, port, bounds)
            opened = connected_socket(addresses, bounds, timeout)
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
