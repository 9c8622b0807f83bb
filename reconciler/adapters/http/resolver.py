"""Names to addresses. The system's resolver cannot be interrupted, so a thread of its own waits for it."""

from __future__ import annotations

import socket
import threading
from typing import Any

from reconciler.adapters.http.bounds import RequestBounds

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""What ``socket.getaddrinfo`` returns: family, kind, protocol, name, address."""


class Resolver:
    """Finds the addresses of names. Threads that ask for the same name wait for one answer. Safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}

    def addresses(self, host: str, port: int, bounds: RequestBounds) -> list[AddressInfo]:
        """The addresses of a host. Raises OSError if there are none, HttpError at the end of the bounds."""
        try:
            return _addresses(host, port, socket.AI_NUMERICHOST)
        except OSError:
            pass

        with self._lock:
            lookup = self._running.get((host, port))
            if lookup is None:
                lookup = self._running[host, port] = _Lookup(host, port)
                threading.Thread(target=self._run, args=(lookup,), daemon=True, name="dns").start()
        while not lookup.ended.wait(bounds.wait_seconds()):
            pass
        if lookup.failure is not None:
            raise OSError(lookup.failure.errno, lookup.failure.strerror)
        return lookup.found

    def _run(self, lookup: _Lookup) -> None:
        try:
            lookup.found = _addresses(lookup.host, lookup.port, 0)
        except OSError as error:
            lookup.failure = error
        finally:
            with self._lock:
                del self._running[lookup.host, lookup.port]
            lookup.ended.set()


class _Lookup:
    """One question to the resolver, and its answer once ``ended`` is set."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.ended = threading.Event()
        self.found: list[AddressInfo] = []
        self.failure: OSError | None = None


def _addresses(host: str, port: int, flags: int) -> list[AddressInfo]:
    try:
        return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]
    except UnicodeError:
        # a label that is empty or longer than 63 characters
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
