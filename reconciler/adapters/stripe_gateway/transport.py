"""HTTP: one connection pool for all requests, deadlines, no redirects. The official SDK sends through it too."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import httpx

from reconciler.adapters.stripe_gateway.answer import AttemptError, HttpAnswer, malformed
from reconciler.clock import Clock

LARGEST_BODY: Final = 64 * 1024 * 1024
"""Bytes. A page of a hundred expanded intents has about 700,000."""
_NETWORK: Final = "Check the network, any proxy and stripe.api_base; the next sweep asks again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, between two pieces of an answer, and for an attempt in all."""

    connect: float = 3.05
    read: float = 20.0
    attempt: float = 60.0


class Transport:
    """Sends a GET and brings the whole answer, whatever its status. Safe to share between threads.

    Proxies and ``SSL_CERT_FILE`` are taken from the environment, as httpx does; a ``.netrc`` is not read, and a redirect
    is not followed, so that the key goes to no other host.
    """

    def __init__(self, timeouts: Timeouts, clock: Clock, connections: int) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._client = httpx.Client(
            verify=_trusted(),
            timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
        )

    def get(self, url: str, headers: Mapping[str, str]) -> HttpAnswer:
        """The answer; raises AttemptError where there is none, or not a whole one."""
        deadline = self._clock.monotonic() + self._timeouts.attempt
        began = False
        try:
            with self._client.stream("GET", url, headers=dict(headers)) as response:
                began = True
                body = self._whole_body(response, deadline)
                return HttpAnswer(response.status_code, _plain(response.headers), body)
        except (httpx.TransportError, httpx.DecodingError) as error:
            failed = _failure(error, began=began)
        raise failed

    def _whole_body(self, response: httpx.Response, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise malformed("the answer does not end")
            if self._clock.monotonic() > deadline:
                raise AttemptError(
                    f"the answer was not complete after {self._timeouts.attempt:g} s", _NETWORK
                )
        return b"".join(chunks)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes 30 ms, and several accounts may be open."""
    return httpx.create_ssl_context()


def _plain(headers: httpx.Headers) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _failure(error: httpx.TransportError | httpx.DecodingError, *, began: bool) -> AttemptError:
    """In words of our own: a library's message may hold an address with a password, or pieces of the answer."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AttemptError(
                "its TLS certificate is not trusted here",
                "Set SSL_CERT_FILE to the certificates of the proxy that stands between, or repair the system's.",
                retry=False,
            )
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            why = "no connection in time"
        case httpx.TimeoutException():
            why = "no answer in time"
        case httpx.ConnectError():
            why = "no connection" + _in_words(error)
        case httpx.ProxyError():
            why = "the proxy refused"
        case httpx.DecodingError():
            return malformed("the answer is not encoded as it says")
        case httpx.RemoteProtocolError() if began:
            return malformed("the answer is cut short")
        case _:
            why = "the connection broke" + _in_words(error)
    return AttemptError(why, _NETWORK)


def _in_words(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return f" ({cause.strerror})"
    return ""


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
