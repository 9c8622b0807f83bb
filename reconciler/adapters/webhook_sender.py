"""POSTs to the merchant's endpoint: bounded in time whatever it does, no redirects, and only the status is kept.

httpx limits each read and not the whole: an endpoint that sends a byte now and then would hold a request for ever. A
task that can be cancelled has no such gap, so requests run on an event loop of this sender's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Final

import httpx

from reconciler.clock import Clock
from reconciler.domain.outbox_message import Receipt, receipt_of

MOST_BYTES: Final = 4096
"""As much of an answer's body is read, so that its connection can be used again; the rest is not waited for."""
STOP_SECONDS: Final = 2.0
"""How long a request may go on after somebody wants us to stop."""
LOOK_SECONDS: Final = 0.1
AGENT: Final = "reconciler"


class HttpxWebhookSender:
    """One endpoint. ``timeout`` is for a request in all, in seconds. For one thread at a time; close it.

    Proxies and ``SSL_CERT_FILE`` are taken from the environment, as httpx does.
    """

    def __init__(self, url: str, timeout: float, clock: Clock, stopping: threading.Event) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send it once; what the endpoint and the network do is in the receipt."""
        if self._loop is None:
            # not before there is something to send: reading the trusted certificates takes 30 ms
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(self._bounded(body, headers))

    def close(self) -> None:
        """Close the connection."""
        loop, client = self._loop, self._client
        self._loop = self._client = None
        if loop is not None and client is not None:
            loop.run_until_complete(client.aclose())
        if loop is not None:
            loop.close()

    async def _bounded(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        until = self._clock.monotonic() + self._timeout
        stopped = False
        received: list[Receipt] = []
        sending = asyncio.ensure_future(self._send(body, headers, received))
        while not sending.done():
            now = self._clock.monotonic()
            if self._stopping.is_set() and not stopped:
                stopped, until = True, min(until, now + STOP_SECONDS)
            if now >= until:
                break
            await asyncio.wait({sending}, timeout=min(LOOK_SECONDS, until - now))
        if not sending.done():
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        fault = None if sending.cancelled() else sending.result()
        if received:
            # the status has come; an answer whose rest does not come is an answer
            return received[0]
        if fault is None:
            fault = "the service stopped before an answer came" if stopped else self._too_slow()
        return Receipt(None, fault)

    async def _send(
        self, body: bytes, headers: Mapping[str, str], received: list[Receipt]
    ) -> str | None:
        """Put the receipt into ``received`` as soon as the status is there; else say why there is none."""
        try:
            client = self._opened()
        except (OSError, ImportError, ValueError):
            # of a certificate file that is not there, or a proxy's address that httpx does not take
            return "no connection can be made: check SSL_CERT_FILE and the proxy variables of the environment"
        try:
            async with client.stream(
                "POST", self._url, content=body, headers=dict(headers)
            ) as answer:
                received.append(receipt_of(answer.status_code))
                await _read_some(answer)
        except httpx.TransportError as error:
            return self._fault(error)
        return None

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
                headers={"User-Agent": AGENT, "Content-Type": "application/json"},
            )
        return self._client

    def _fault(self, error: httpx.TransportError) -> str:
        """In words of our own: a library's message may hold an address, or pieces of the answer."""
        causes = _causes(error)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return "its TLS certificate is not trusted here"
        said = next(filter(None, map(_reason, causes)), None)
        words = f" ({said})" if said else ""
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return f"no connection within {self._timeout:g} s"
            case httpx.TimeoutException():
                return self._too_slow()
            case httpx.ConnectError():
                return f"no connection{words}"
            case httpx.ProxyError():
                return "the proxy refused"
            case _:
                return f"the connection broke before an answer came{words}"

    def _too_slow(self) -> str:
        return f"no answer within {self._timeout:g} s"


async def _read_some(answer: httpx.Response) -> None:
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > MOST_BYTES:
            return


def _reason(cause: BaseException) -> str | None:
    """The system's words for what it could not do; asyncio's own have the address in them."""
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        return cause.strerror
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else None


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
