"""A merchant's endpoint on this machine that can fail on purpose."""

from __future__ import annotations

import json
import queue
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from reconciler.sandbox.api.server import EndsAtOnce

WAIT_SECONDS = 20.0
"""The longest that a test waits for a request or a thread."""


class EndpointFault(Enum):
    """How the endpoint fails to answer a request."""

    HANG = auto()
    """Reads the request and sends no answer."""
    RESET = auto()
    """Resets the connection after half of the request."""
    DROP = auto()
    """Receives the request, and closes the connection before the answer."""
    TRICKLE = auto()
    """Sends a header byte by byte, without end."""
    TRICKLE_BODY = auto()
    """Sends 200 immediately, and a body without end."""
    CUT = auto()
    """Sends 200, and a body that is shorter than its Content-Length."""


Behaviour = int | EndpointFault


@dataclass(frozen=True)
class Received:
    """A request that arrived completely."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return str(self.json["id"])

    @property
    def key(self) -> str:
        return str(self.json["data"]["payment_key"])


class _Handler(socketserver.StreamRequestHandler):
    server: Endpoint
    timeout = WAIT_SECONDS

    def handle(self) -> None:
        while True:
            line = self.rfile.readline().decode()
            if not line:
                return
            headers = {}
            while header := self.rfile.readline().decode().strip():
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            behaviour = self.server.next_behaviour()
            if behaviour is EndpointFault.RESET:
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.server.tried.put(behaviour)
                return
            body = self.rfile.read(int(headers.get("content-length", 0)))
            received = Received(line.split()[1], headers, body)
            self.server.tried.put(behaviour)
            self.server.received.put(received)
            if not self._answer(behaviour):
                return

    def _answer(self, behaviour: Behaviour) -> bool:
        match behaviour:
            case int():
                location = "Location: /elsewhere\r\n" if 300 <= behaviour < 400 else ""
                self.wfile.write(
                    f"HTTP/1.1 {behaviour} Status\r\n{location}Content-Length: 2\r\n\r\nok".encode()
                )
                return True
            case EndpointFault.HANG:
                self.server.stopping.wait(WAIT_SECONDS)
            case EndpointFault.TRICKLE:
                self._send_without_end(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            case EndpointFault.TRICKLE_BODY:
                self._send_without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            case EndpointFault.CUT:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            case EndpointFault.RESET | EndpointFault.DROP:
                pass
        return False

    def _send_without_end(self, beginning: bytes) -> None:
        self.wfile.write(beginning)
        while not self.server.stopping.wait(0.05):
            self.wfile.write(b"x")


class Endpoint(EndsAtOnce, socketserver.ThreadingTCPServer):
    """Treats each request as the next entry of ``script`` says, and later ones as ``usual`` says.

    ``received`` has the requests that arrived completely.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.usual: Behaviour = 200
        self.script: queue.Queue[Behaviour] = queue.Queue()
        self.tried: queue.Queue[Behaviour] = queue.Queue()
        self.received: queue.Queue[Received] = queue.Queue()
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/reconciler"

    def behave(self, *behaviours: Behaviour) -> None:
        """Add to the script."""
        for behaviour in behaviours:
            self.script.put(behaviour)

    def next_behaviour(self) -> Behaviour:
        try:
            return self.script.get_nowait()
        except queue.Empty:
            return self.usual

    def next(self) -> Received:
        """Wait for the next request and return it."""
        return self.received.get(timeout=WAIT_SECONDS)

    def all(self) -> list[Received]:
        """The requests that arrived since the last call."""
        found = []
        while not self.received.empty():
            found.append(self.received.get_nowait())
        return found

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed its connection: that is what the tests are about."""


@contextmanager
def serving() -> Iterator[Endpoint]:
    """An endpoint that runs until the end of the block."""
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve, daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.stopping.set()
            endpoint.end()
            thread.join(WAIT_SECONDS)
