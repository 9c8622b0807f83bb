"""From a host's name to a connected socket: the proxy of the environment, the name's addresses, the first that accepts."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from reconciler.adapters.http.connections import RequestBounds, wait_until_ready
from reconciler.errors import ConfigurationError, ConfigurationFault

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""What ``socket.getaddrinfo`` returns: family, kind, protocol, name, address."""

_PORTS: Final = {"http": 80, "https": 443}


def proxy_of(address: SplitResult) -> httpcore.Proxy | None:
    """The proxy to use for an http or https address, None if there is none.

    Raises ConfigurationError, which repeats nothing of it, for a proxy that is not an http or https URL.
    """
    variables = getproxies()
    named = variables.get(address.scheme) or variables.get("all")
    if not named or proxy_bypass(address.hostname or ""):
        return None
    try:
        return _proxy(urlsplit(named if "://" in named else f"http://{named}"))
    except ValueError:
        pass
    name = f"{address.scheme}_proxy" if variables.get(address.scheme) else "all_proxy"
    what = f"The proxy in the environment variable {name} cannot be used."
    hint = 'Write it as "http://host:port" or "https://host:port". Other sorts of proxy are not supported.'
    raise ConfigurationError((ConfigurationFault(what, hint),))


def _proxy(parts: SplitResult) -> httpcore.Proxy:
    """Raises ValueError for another scheme, a port that is no port, or no host."""
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError
    url = httpcore.URL(
        scheme=parts.scheme.encode(),
        host=parts.hostname.encode("idna"),
        port=parts.port or _PORTS[parts.scheme],
        target=b"/",
    )
    if parts.username is None:
        return httpcore.Proxy(url)
    login = unquote(parts.username).encode(), unquote(parts.password or "").encode()
    return httpcore.Proxy(url, auth=login)


class Resolver:
    """Finds the addresses of names. Threads that ask for the same name wait for one answer. Safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}

    def connect(
        self, host: str, port: int, bounds: RequestBounds, timeout: float | None
    ) -> socket.socket:
        """A socket that is connected to the first address of a host that accepts. ``timeout`` is for each of them.

        Raises OSError if none does, and HttpError at the end of the bounds.
        """
        return _connected_socket(self._addresses(host, port, bounds), bounds, timeout)

    def _addresses(self, host: str, port: int, bounds: RequestBounds) -> list[AddressInfo]:
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


def _connected_socket(
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
