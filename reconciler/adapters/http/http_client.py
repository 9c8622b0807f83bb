"""Requests to one host over a pool of connections, each within its bounds."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from reconciler.adapters.http.addresses import Resolver, proxy_of
from reconciler.adapters.http.connections import (
    BoundedNetwork,
    HttpError,
    HttpFailure,
    RequestBounds,
)
from reconciler.clock import Clock
from reconciler.errors import ConfigurationError, ConfigurationFault

T = TypeVar("T")

_PORTS: Final = {"http": 80, "https": 443}
ACCEPTED: Final = "gzip, deflate"
_PLAIN: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")
_GZIP_WINDOW: Final = 31
_ZLIB_WINDOW: Final = 15
_RAW_WINDOW: Final = -15
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
    environment. ``stopping`` is set when the program is asked to stop: a request then has ``stop_seconds`` left.

    Raises ConfigurationError: the environment's proxy or certificates cannot be used, or the URL's host cannot exist.
    """

    def __init__(
        self,
        url: str,
        timeouts: Timeouts,
        clock: Clock,
        connections: int,
        stopping: threading.Event,
        stop_seconds: float = 0.0,
    ) -> None:
        self._origin = origin_of(url)
        self._closed = threading.Event()
        parts = urlsplit(url)
        self._seconds = timeouts.attempt
        self._waits = {
            "connect": timeouts.connect,
            "pool": timeouts.connect,
            "read": timeouts.read,
            "write": timeouts.read,
        }
        self._clock = clock
        self._stops = (stopping, self._closed)
        self._stop_seconds = stop_seconds
        proxy = proxy_of(parts)
        self._network = BoundedNetwork(Resolver().connect)
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
        bounds = RequestBounds(self._clock, self._seconds, self._stops, self._stop_seconds)
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
                    extensions={"timeout": self._waits},
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
        """End every request that is being made, and close every connection."""
        self._closed.set()
        self._pool.close()


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
        fault = ConfigurationFault("The URL's host name is not valid.")
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


def decoded(pieces: Iterable[bytes], encoding: str, largest: int) -> Iterator[bytes]:
    """The decoded pieces of a body with this ``Content-Encoding``: none, gzip or deflate, one of them once.

    Raises HttpError for another encoding, for bytes that are not encoded so, and for more than ``largest`` bytes, be it
    before or after decoding: neither an endless header nor a small body that decodes to a large one gets far.
    """
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        return _limited(pieces, largest)
    if encoding not in _GZIP and encoding != "deflate":
        raise HttpError(HttpFailure.WRONG_ENCODING)
    return _inflated(_limited(pieces, largest), largest, is_gzip=encoding in _GZIP)


def _limited(pieces: Iterable[bytes], largest: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > largest:
            raise HttpError(HttpFailure.BODY_TOO_LONG)
        yield piece


def _inflated(pieces: Iterable[bytes], largest: int, *, is_gzip: bool) -> Iterator[bytes]:
    decoder = None
    rest = b""
    size = 0
    for piece in pieces:
        rest += piece
        if decoder is None and len(rest) >= 2:
            decoder = zlib.decompressobj(_GZIP_WINDOW if is_gzip else _deflate_window(rest))
        while decoder is not None and rest:
            output, rest = _decompressed(decoder, rest, largest - size + 1)
            size += len(output)
            if size > largest:
                raise HttpError(HttpFailure.BODY_TOO_LONG)
            if output:
                yield output
    if decoder is None or not decoder.eof:
        raise HttpError(HttpFailure.WRONG_ENCODING)


def _decompressed(decoder: zlib._Decompress, data: bytes, most: int) -> tuple[bytes, bytes]:
    """Up to so many decoded bytes, and the bytes that are left. Raises HttpError for bytes after the end."""
    try:
        if not decoder.eof:
            output = decoder.decompress(data, most)
            return output, decoder.unconsumed_tail or decoder.unused_data
    except zlib.error:
        pass
    raise HttpError(HttpFailure.WRONG_ENCODING)


def _deflate_window(start: bytes) -> int:
    """Some servers send deflate without the two bytes of zlib's header, which are a multiple of 31."""
    has_header = start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
    return _ZLIB_WINDOW if has_header else _RAW_WINDOW
