"""A server of plain sockets that sends bytes without end, or none, as no HTTP library would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

Conversation = Callable[[socket.socket], Iterator[bytes]]
"""What to send on one connection, piece by piece. The request has been received, unless the server is told not to wait."""

PAUSE_SECONDS = 0.01


class RawServer:
    """Sends on each connection what ``conversation`` yields, until the client or the server closes it.

    With ``pause`` there are that many seconds between two pieces. ``asked`` is set when a request or, with
    ``reads_request`` off, a connection has arrived.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        pause: float = PAUSE_SECONDS,
        reads_request: bool = True,
    ) -> None:
        self._conversation = conversation
        self._pause = pause
        self._reads_request = reads_request
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.asked = threading.Event()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.5)
        with connection:
            try:
                if self._reads_request:
                    connection.recv(65_536)
                self.asked.set()
                for piece in self._conversation(connection):
                    connection.sendall(piece)
                    if self._stopping.wait(self._pause):
                        return
                self._stopping.wait()
            except OSError:
                return


def repeated(beginning: bytes, piece: bytes) -> Conversation:
    """A beginning, and then one piece again and again without end."""

    def conversation(_: socket.socket) -> Iterator[bytes]:
        if beginning:
            yield beginning
        while True:
            yield piece

    return conversation


def once(whole: bytes) -> Conversation:
    """These bytes, and then nothing more on an open connection."""

    def conversation(_: socket.socket) -> Iterator[bytes]:
        if whole:
            yield whole

    return conversation
