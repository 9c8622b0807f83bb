"""A TLS server on this machine with a certificate of its own, valid from 2020 to 2120, and a proxy in front of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBYTCCAQagAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAtUZXN0IHNl
cnZlcjAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLVGVzdCBzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASexl/4BIAs
SFZhPZxDb4tSLJi7QJZmTy4trQaGNKLeNPiOR+nXr6//3mNhOne8qZqZGZvzymVB
vGokx3sn7Itko0MwQTAPBgNVHRMBAf8EBTADAQH/MA8GA1UdEQQIMAaHBH8AAAEw
HQYDVR0OBBYEFIVOFjQ0IoCegAw7OMInTuB4DT9IMAoGCCqGSM49BAMCA0kAMEYC
IQC8h4/5lQKWCiH6rkS30/GbkMZCbpS0/q6z5NKW76DeJQIhANNdt5qZ8bl0lOyx
lmvWxh0lF3Ebh2JEkbY9KJrMJImP
-----END CERTIFICATE-----
"""
PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjxV6WilH8D+5PfnG
h4DUp/hh6wzlZTpvlX3JM8gg9NihRANCAASexl/4BIAsSFZhPZxDb4tSLJi7QJZm
Ty4trQaGNKLeNPiOR+nXr6//3mNhOne8qZqZGZvzymVBvGokx3sn7Itk
-----END PRIVATE KEY-----
"""
"""Of a server that exists in these tests alone."""


def write_certificate(folder: Path) -> Path:
    """A file with the certificate, for ``SSL_CERT_FILE``."""
    path = folder / "certificate.pem"
    path.write_text(CERTIFICATE, encoding="ascii")
    return path


def server_context(folder: Path) -> ssl.SSLContext:
    path = folder / "server.pem"
    path.write_text(CERTIFICATE + PRIVATE_KEY, encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


class TlsServer:
    """Answers each request with the same bytes, over TLS if it has a context, and counts the connections.

    With ``target`` it is a proxy instead: it connects what a CONNECT asks for to that port.
    """

    def __init__(
        self, answer: bytes = b"", *, context: ssl.SSLContext | None, target: int | None = None
    ) -> None:
        self._answer = answer
        self._context = context
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.asked: list[bytes] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with contextlib.suppress(OSError), self._secured(connection) as secured:
            while request := _request(secured):
                self.asked.append(request)
                if self._target is not None:
                    secured.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    _relay(secured, self._target)
                    return
                secured.sendall(self._answer)

    @contextlib.contextmanager
    def _secured(self, connection: socket.socket) -> Iterator[socket.socket]:
        with connection:
            if self._context is None:
                yield connection
                return
            with self._context.wrap_socket(connection, server_side=True) as secured:
                yield secured


def _request(connection: socket.socket) -> bytes:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        piece = connection.recv(65_536)
        if not piece:
            return b""
        request += piece
    return request


def _relay(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as server:
        upwards = threading.Thread(target=_copy, args=(client, server))
        upwards.start()
        _copy(server, client)
        upwards.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
