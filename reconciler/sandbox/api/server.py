"""Serves the sandbox over HTTP/1.1, with one thread for each kept-alive connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from reconciler.sandbox.api.api import Api, ApiReply, ApiRequest, ApiSending
from reconciler.sandbox.state.sandbox import Sandbox

# with this, closing a socket sends RST instead of FIN, and discards unsent bytes
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_WAKE_SECONDS = 1.0
_JOIN_SECONDS = 5.0


class _Connection(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def answer_one(self) -> None:
        """Answer one request."""
        declared = self.headers.get("Content-Length") or "0"
        if not declared.isdigit():
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        length = int(declared)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.api.handle(ApiRequest(self.command, self.path, headers, body)) as reply:
            self._send(reply)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer_one  # noqa: N815 - named by the standard library

    def _send(self, reply: ApiReply) -> None:
        if reply.sending is ApiSending.SILENT:
            self.server.released.wait()
        if reply.sending in (ApiSending.SILENT, ApiSending.RESET):
            self._end_connection(reset=reply.sending is ApiSending.RESET)
            return
        answer = reply.answer
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        lines += [
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "",
            "",
        ]
        head = "\r\n".join(lines).encode("latin-1", "replace")
        if reply.sending is ApiSending.WHOLE:
            self.connection.sendall(head + answer.body)
            return
        self.connection.sendall(head + answer.body[: len(answer.body) // 2])
        self._end_connection(reset=reply.sending is ApiSending.RESET_MIDWAY)

    def _end_connection(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.server.reset_on_close(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the standard library
        """Log nothing: the sandbox has its own log of requests."""


class EndsAtOnce(TCPServer):
    """A TCP server whose ``serve`` ends as soon as ``end`` is called.

    The standard library's own loop looks from time to time whether it shall end, and holds up who waits for it.
    """

    _ended = False

    def serve(self) -> None:
        """Serve until ``end`` is called."""
        while not self._ended:
            self.handle_request()

    def end(self) -> None:
        """Let ``serve`` end."""
        self._ended = True
        # a connection wakes it
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self.socket.getsockname(), _WAKE_SECONDS),
        ):
            pass

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether to serve this connection: not the one that wakes a server at its end."""
        return not self._ended and super().verify_request(request, client_address)


class _Listener(EndsAtOnce):
    """Accepts connections, each in its own thread, and can end them all."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api, released: threading.Event) -> None:
        self.api = api
        self.released = released
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._resetting: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), daemon=True, name="sandbox"
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        try:
            # a client may close its connection in the middle of a request
            with contextlib.suppress(OSError):
                self.finish_request(connection, client_address)
        finally:
            with self._lock:
                resetting = connection in self._resetting
                self._resetting.discard(connection)
            if resetting:
                # shutdown_request would end the connection in order first
                connection.close()
            else:
                self.shutdown_request(connection)
            with self._lock:
                self._open.pop(connection, None)

    def reset_on_close(self, connection: socket.socket) -> None:
        """Let this connection end with a reset."""
        with self._lock:
            self._resetting.add(connection)

    def end_all(self) -> None:
        """Close every open connection and wait for its thread."""
        with self._lock:
            still_open = list(self._open.items())
        for connection, _ in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in still_open:
            thread.join(_JOIN_SECONDS)


class SandboxServer:
    """Serves a sandbox until stopped; a context manager.

    Args:
        sandbox: What to serve; several servers may share one.
        host: The address to listen on; by default only this machine can connect.
        port: The port to listen on; 0 takes a free one.
        deliver_every: If given, a thread delivers due webhooks at this interval, in seconds of the rate clock.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        deliver_every: float | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._host = host
        self._port = port
        self._deliver_every = deliver_every
        self._stopping = threading.Event()
        self._released = threading.Event()
        self._listener: _Listener | None = None
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """The address that it listens on, without a slash at the end. Raises RuntimeError if it is not running."""
        if self._listener is None:
            raise RuntimeError("the sandbox server is not running: start it first")
        host, port = self._listener.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def start(self) -> SandboxServer:
        """Listen, and serve in the background. Raises OSError if the port is in use."""
        self._stopping.clear()
        self._released.clear()
        self._listener = _Listener(
            (self._host, self._port), Api(self.sandbox, self._stopping), self._released
        )
        self._run(self._listener.serve)
        if self._deliver_every is not None:
            self._run(partial(self._deliver_webhooks, self._deliver_every))
        return self

    def stop(self) -> None:
        """Release silent requests, close all connections and end all threads. A second call does nothing."""
        if self._listener is None:
            return
        self._stopping.set()
        self._released.set()
        self._listener.end()
        self._threads[0].join(_JOIN_SECONDS)
        self._listener.server_close()
        self._listener.end_all()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._threads.clear()
        self._listener = None

    def release(self) -> None:
        """End the requests that :attr:`RequestFault.SILENT` holds: their connections close without an answer."""
        self._released.set()
        self._released.clear()

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True, name="sandbox")
        self._threads.append(thread)
        thread.start()

    def _deliver_webhooks(self, every: float) -> None:
        while not self.sandbox.rate_clock.wait(self._stopping, every):
            self.sandbox.deliver_due()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
