"""Requests to one host over a pool of connections, each within its bounds."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from reconciler.adapters.http.bounds import HttpError, HttpFailure, RequestBounds
from reconciler.adapters.http.decoding import ACCEPTED
from reconciler.adapters.http.network import BoundedNetwork
from reconciler.adapters.http.proxies import proxy_of
from reconciler.clock import Clock
from reconciler.errors import ConfigurationError, ConfigurationFault

T = TypeVar("T")

_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final[Sequence[tuple[str | bytes, str | bytes]]] = (
    ("Accept", "*/*"),
    ("Accept-Encoding", ACCEPTED),
)
_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
)
_KEEP_SECONDS: Final = 5.0
"""An unused connection is closed after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, between two pieces of an answer, and for an attempt in all."""

    connect: float = 3.05
    read: float = 20.0
    attempt: float = 60.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. ``target`` is the path and the query. Its repr shows neither headers nor body."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer's status and headers. Names are in lower case; values of one name are joined by commas."""

    status: int
    headers: Mapping[str, str] = field(repr=False)


class HttpOrigin(NamedTuple):
    """Scheme, host and port of an address."""

    scheme: bytes
    host: bytes
    port: int


class HttpClient:
    """Sends requests to the host of ``url``. Safe to share between threads. Close it after use.

    No redirect is followed, so that a key goes to no other host. Proxies and ``SSL_CERT_FILE`` are taken from the
    environment. ``is_stopping`` says that the program is asked to stop: a request then has ``stop_seconds`` left.

    Raises ConfigurationError: the environment's proxy or certificates cannot be used, or the URL's host cannot exist.
    """

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        clock: Clock,
        connections: int,
        is_stopping: Callable[[], bool],
        stop_seconds: float = 0.0,
    ) -> None:
        self._origin = origin_of(url)
        parts = urlsplit(url)
        self._timeouts = timeouts
        self._clock = clock
        self._is_stopping = is_stopping
        self._stop_seconds = stop_seconds
        self._network = BoundedNetwork()
        proxy = proxy_of(parts)
        uses_tls = parts.scheme == "https" or (proxy is not None and proxy.url.scheme == b"https")
        certificates = trusted_certificates() if uses_tls else None
        self._pool = httpcore.ConnectionPool(
            ssl_context=certificates,
            proxy=proxy,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEP_SECONDS,
            network_backend=self._network,
        )

    def exchange(
        self,
        request: HttpRequest,
        consume: Callable[[AnswerHead, Iterator[bytes], RequestBounds], T],
    ) -> T:
        """Send a request and return what ``consume`` makes of the answer: its head, and the pieces of its body.

        Raises HttpError if no answer comes in time, or if it ends early.
        """
        bounds = RequestBounds(
            self._clock, self._timeouts.attempt, self._is_stopping, self._stop_seconds
        )
        has_head = False
        try:
            with (
                self._network.bounded(bounds),
                self._pool.stream(
                    request.method.encode(),
                    httpcore.URL(
                        scheme=self._origin.scheme,
                        host=self._origin.host,
                        port=self._origin.port,
                        target=request.target.encode("ascii", "replace"),
                    ),
                    headers=[*_HEADERS, *request.headers.items()],
                    content=request.body,
                    extensions={"timeout": self._waits()},
                ) as response,
            ):
                has_head = True
                bounds.head_is_complete()
                return consume(_head(response), response.iter_stream(), bounds)
        except _ERRORS as error:
            failed = _failure(error, has_head=has_head)

        # raised outside the except block, so that the library's error, which may quote secrets, is not chained to it
        raise failed

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _waits(self) -> dict[str, float]:
        connect, read = self._timeouts.connect, self._timeouts.read
        return {"connect": connect, "pool": connect, "read": read, "write": read}


@cache
def trusted_certificates() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes 30 ms. Raises ConfigurationError if they cannot be read."""
    try:
        return httpx.create_ssl_context()
    except OSError:
        pass
    what = "The trusted certificates in the environment variable SSL_CERT_FILE or SSL_CERT_DIR cannot be read."
    hint = "Name a readable file of certificates in PEM, or remove the variable."
    raise ConfigurationError((ConfigurationFault(what, hint),))


def origin_of(url: str) -> HttpOrigin:
    """Scheme, host and port of an http or https URL. Raises ConfigurationError for a host that cannot exist."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        host = b""
    if not host or host.startswith(b"."):
        fault = ConfigurationFault("The URL has no host that can exist.")
        raise ConfigurationError((fault,))
    return HttpOrigin(parts.scheme.encode(), host, port)


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _head(response: httpcore.Response) -> AnswerHead:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return AnswerHead(response.status, headers)


def _failure(error: Exception, *, has_head: bool) -> HttpError:
    """The error without the library's message."""
    causes = _causes(error)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return HttpError(HttpFailure.UNTRUSTED_CERTIFICATE)
    system = next(filter(None, map(_system_message, causes)), "")

    match error:
        case httpcore.ConnectTimeout() | httpcore.PoolTimeout():
            return HttpError(HttpFailure.CONNECT_TIMEOUT)
        case httpcore.TimeoutException():
            return HttpError(HttpFailure.ANSWER_TIMEOUT)
        case httpcore.ConnectError():
            return HttpError(HttpFailure.NO_CONNECTION, system)
        case httpcore.ProxyError():
            return HttpError(HttpFailure.PROXY_REFUSED)
        case httpcore.RemoteProtocolError() if has_head:
            return HttpError(HttpFailure.CUT_SHORT)
        case _:
            return HttpError(HttpFailure.BROKEN, system)


def _system_message(cause: BaseException) -> str:
    """The operating system's description of an error, which contains no address."""
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        return cause.strerror or ""
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else ""


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
