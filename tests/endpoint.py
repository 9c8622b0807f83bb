"""A merchant's endpoint on loopback that can be broken on purpose."""

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

SOON = 20.0
"""Seconds that a test waits for something before it gives up."""


class Break(Enum):
    """What it does with a request instead of answering."""

    HANG = auto()
    """Reads it and says nothing."""
    RESET = auto()
    """Cuts the connection with a reset, the request half read."""
    DROP = auto()
    """Takes it in, does the work, and the connection goes before the answer."""
    TRICKLE = auto()
    """A byte of the header now and then, for ever."""
    TRICKLE_BODY = auto()
    """200 at once, and a body that never ends."""
    CUT = auto()
    """200, and a body that is shorter than it says."""


Behaviour = int | Break


@dataclass(frozen=True)
class Received:
    """A request that came in whole."""

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
    timeout = SOON

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
            if behaviour is Break.RESET:
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
                where = "Location: /elsewhere\r\n" if 300 <= behaviour < 400 else ""
                self.wfile.write(
                    f"HTTP/1.1 {behaviour} Said\r\n{where}Content-Length: 2\r\n\r\nok".encode()
                )
                return True
            case Break.HANG:
                self.server.ending.wait(SOON)
            case Break.TRICKLE:
                self._forever(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            case Break.TRICKLE_BODY:
                self._forever(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            case Break.CUT:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            case Break.RESET | Break.DROP:
                pass
        return False

    def _forever(self, beginning: bytes) -> None:
        self.wfile.write(beginning)
        while not self.server.ending.wait(0.05):
            self.wfile.write(b"x")


class Endpoint(socketserver.ThreadingTCPServer):
    """Answers as ``script`` says, one after the other, then as ``usual``. ``received`` has what came in whole."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.usual: Behaviour = 200
        self.script: queue.Queue[Behaviour] = queue.Queue()
        self.tried: queue.Queue[Behaviour] = queue.Queue()
        self.received: queue.Queue[Received] = queue.Queue()
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/reconciler"

    def behave(self, *behaviours: Behaviour) -> None:
        for behaviour in behaviours:
            self.script.put(behaviour)

    def next_behaviour(self) -> Behaviour:
        try:
            return self.script.get_nowait()
        except queue.Empty:
            return self.usual

    def next(self) -> Received:
        """The next request, waited for."""
        return self.received.get(timeout=SOON)

    def all(self) -> list[Received]:
        """Those that came in since."""
        found = []
        while not self.received.empty():
            found.append(self.received.get_nowait())
        return found

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what is tested."""


@contextmanager
def serving() -> Iterator[Endpoint]:
    """An endpoint for the length of the block."""
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.ending.set()
            endpoint.shutdown()
            thread.join(SOON)
