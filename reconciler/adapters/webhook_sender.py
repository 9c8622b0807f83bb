"""Sends webhooks to the merchant's endpoint. Each request ends in time, and no redirect is followed.

httpx limits each read and not the whole request: an endpoint that sends a byte at intervals could hold it without end.
An asyncio task can be cancelled at any time, so each sender runs its requests on an event loop of its own.
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
"""Up to this much of an answer's body is read, so that the connection can be used again. Its content is not used."""
STOP_SECONDS: Final = 2.0
"""The longest that a request may continue after the service was asked to stop."""
_POLL_SECONDS: Final = 0.1
_USER_AGENT: Final = "reconciler"


class HttpxWebhookSender:
    """Sends to one endpoint. For one thread at a time; close it after use.

    ``timeout`` limits a whole request, in seconds. ``stopping`` is set when the service is asked to stop.
    httpx reads proxies and ``SSL_CERT_FILE`` from the environment.
    """

    def __init__(self, url: str, timeout: float, clock: Clock, stopping: threading.Event) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send the body once. The receipt says what the endpoint answered, or why no answer came."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(self._send_in_time(body, headers))

    def close(self) -> None:
        """Close the connection."""
        loop, client = self._loop, self._client
        self._loop = self._client = None
        if loop is not None and client is not None:
            loop.run_until_complete(client.aclose())
        if loop is not None:
            loop.close()

    async def _send_in_time(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        deadline = self._clock.monotonic() + self._timeout
        stopped = False
        received: list[Receipt] = []
        sending = asyncio.ensure_future(self._send(body, headers, received))

        # a stop can be requested at any time, and shortens the wait
        while not sending.done():
            now = self._clock.monotonic()
            if self._stopping.is_set() and not stopped:
                stopped, deadline = True, min(deadline, now + STOP_SECONDS)
            if now >= deadline:
                break
            await asyncio.wait({sending}, timeout=min(_POLL_SECONDS, deadline - now))

        if not sending.done():
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        fault = None if sending.cancelled() else sending.result()

        # a status is an answer, even if the rest of the answer never came
        if received:
            return received[0]
        if fault is None:
            fault = "the service stopped before an answer came" if stopped else self._too_slow()
        return Receipt(None, fault)

    async def _send(
        self, body: bytes, headers: Mapping[str, str], received: list[Receipt]
    ) -> str | None:
        """Add the receipt to ``received`` as soon as the status is known. Returns why none came, None if one did."""
        try:
            client = self._open_client()
        except (OSError, ImportError, ValueError):
            # the certificate file does not exist, or httpx does not accept the proxy's address
            return "no connection is possible: check SSL_CERT_FILE and the proxy variables of the environment"
        try:
            async with client.stream(
                "POST", self._url, content=body, headers=dict(headers)
            ) as answer:
                received.append(receipt_of(answer.status_code))
                await _read_start(answer)
        except httpx.TransportError as error:
            return self._fault(error)
        return None

    def _open_client(self) -> httpx.AsyncClient:
        # opened with the first request, because reading the trusted certificates takes 30 ms
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
                headers={"User-Agent": _USER_AGENT, "Content-Type": "application/json"},
            )
        return self._client

    def _fault(self, error: httpx.TransportError) -> str:
        """Reconciler's own description: a library's message may hold an address, or pieces of the answer."""
        causes = _causes(error)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return "this machine does not trust its TLS certificate"
        message = next(filter(None, map(_system_message, causes)), None)
        suffix = f" ({message})" if message else ""

        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return f"no connection within {self._timeout:g} s"
            case httpx.TimeoutException():
                return self._too_slow()
            case httpx.ConnectError():
                return f"no connection{suffix}"
            case httpx.ProxyError():
                return "the proxy refused"
            case _:
                return f"the connection broke before an answer came{suffix}"

    def _too_slow(self) -> str:
        return f"no answer within {self._timeout:g} s"


async def _read_start(answer: httpx.Response) -> None:
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > MOST_BYTES:
            return


def _system_message(cause: BaseException) -> str | None:
    """The operating system's description of the error. asyncio's own description contains the address."""
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        return cause.strerror
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else None


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
