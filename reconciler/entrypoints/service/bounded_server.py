"""An HTTP server for short answers: few connections, each for a short time, with small headers. No client can fill it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import h11

from reconciler.clock import Clock

MOST_CONNECTIONS: Final = 32
"""Connections that are open at once; further ones wait to be accepted."""
CLIENT_SECONDS: Final = 5.0
"""How long a connection may wait for its client in all: for the request and for taking the answer."""
LONGEST_HEAD: Final = 16 * 1024
"""Bytes of the request line and all headers together."""
_READ_BYTES: Final = 4096
_SLICE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    """A request without a body. ``host`` is its Host header; ``address`` is the address of this machine it came to."""

    method: str
    path: str
    host: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


TOO_LONG: Final = Answer(431, b"the headers are too long\n")
NOT_HTTP: Final = Answer(400, b"this is not a valid request\n")


class BoundedServer:
    """Serves on a listening socket from ``start`` until ``stop``. Each connection gets one answer, and is closed.

    ``answer`` is called in the connection's thread. An error that it raises ends that thread, and is not handled here.
    """

    def __init__(
        self, listener: socket.socket, answer: Callable[[Request], Answer], clock: Clock
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._clock = clock
        self._stopping = threading.Event()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port, and end the thread that accepts. Open connections end by themselves."""
        self._stopping.set()
        # a close alone would not wake the thread that accepts
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            # before the accept: what cannot be served yet waits in the system's queue
            if not self._free.acquire(timeout=_SLICE_SECONDS):
                continue
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._free.release()
                # the client has gone, or the process has too many open files
                self._clock.wait(self._stopping, _SLICE_SECONDS)
                continue
            threading.Thread(
                target=self._serve, args=(client,), name="http connection", daemon=True
            ).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._exchange(client)
        finally:
            self._free.release()

    def _exchange(self, client: socket.socket) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        until = self._clock.monotonic() + CLIENT_SECONDS
        try:
            head = self._receive(client, connection, until)
            address = str(client.getsockname()[0])
        except OSError:
            return  # the client sent no whole request in time, or has gone
        left = max(_SLICE_SECONDS, until - self._clock.monotonic())

        # making the answer takes none of the client's time
        answer = head if isinstance(head, Answer) else self._answer(_request(head, address))
        # an answer to HEAD says how long the body would be, and has none
        is_head = isinstance(head, h11.Request) and head.method == b"HEAD"
        data = _bytes_of(connection, answer, b"" if is_head else answer.body)
        try:
            client.settimeout(left)
            client.sendall(data)
        except OSError:
            return  # the client does not take it

    def _receive(
        self, client: socket.socket, connection: h11.Connection, until: float
    ) -> h11.Request | Answer:
        """The head of the request, or the answer to one that cannot be read. Raises OSError if none comes in time."""
        left = LONGEST_HEAD
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return TOO_LONG if error.error_status_hint == TOO_LONG.status else NOT_HTTP
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                raise ConnectionError
            if left <= 0:
                return TOO_LONG
            seconds = until - self._clock.monotonic()
            if seconds <= 0:
                raise TimeoutError
            client.settimeout(seconds)
            data = client.recv(min(_READ_BYTES, left))
            left -= len(data)
            connection.receive_data(data)


def _request(head: h11.Request, address: str) -> Request:
    hosts = [value for name, value in head.headers if name == b"host"]
    return Request(
        method=head.method.decode("latin-1"),
        path=head.target.decode("latin-1").partition("?")[0],
        host=hosts[0].decode("latin-1") if hosts else None,
        address=address,
    )


def _bytes_of(connection: h11.Connection, answer: Answer, body: bytes) -> bytes:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    parts = [
        connection.send(h11.Response(status_code=answer.status, headers=headers)),
        connection.send(h11.Data(data=body)),
        connection.send(h11.EndOfMessage()),
    ]
    return b"".join(part for part in parts if part)
