"""Sends webhooks to the merchant's endpoint. Each request ends in time, and no redirect is followed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from reconciler.adapters.http.connections import HttpError, HttpFailure, RequestBounds
from reconciler.adapters.http.http_client import AnswerHead, HttpClient, HttpRequest, Timeouts
from reconciler.clock import Clock
from reconciler.domain.outbox_message import Receipt, receipt_of
from reconciler.errors import ConfigurationError

MOST_BYTES: Final = 4096
"""Up to this much of an answer's body is read, so that the connection can be used again. Its content is not used."""
STOP_SECONDS: Final = 2.0
"""The longest that a request may continue after the service was asked to stop."""
_HEADERS: Final = {"User-Agent": "reconciler", "Content-Type": "application/json"}


class HttpWebhookSender:
    """Sends to one endpoint. For one thread at a time; close it after use.

    ``timeout`` limits a whole request, in seconds. ``stopping`` is set when the service is asked to stop.
    Proxies and ``SSL_CERT_FILE`` are taken from the environment.
    """

    def __init__(self, url: str, timeout: float, clock: Clock, stopping: threading.Event) -> None:
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._stopping = stopping
        self._client: HttpClient | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send the body once. The receipt says what the endpoint answered, or why no answer came."""
        try:
            client = self._open_client()
        except ConfigurationError:
            return Receipt(
                None,
                "no connection is possible: check the host of delivery.url, SSL_CERT_FILE, and the proxy variables of the "
                "environment",
            )
        received: list[Receipt] = []

        def consume(head: AnswerHead, pieces: Iterator[bytes], _: RequestBounds) -> None:
            received.append(receipt_of(head.status))
            _read_start(pieces)

        fault = ""
        try:
            target = urlsplit(self._url).path or "/"
            client.exchange(HttpRequest("POST", target, {**_HEADERS, **headers}, body), consume)
        except HttpError as error:
            fault = self._fault(error)

        # a status is an answer, even if the rest of the answer never came
        return received[0] if received else Receipt(None, fault)

    def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _open_client(self) -> HttpClient:
        # opened with the first request, because reading the trusted certificates takes 30 ms
        if self._client is None:
            seconds = self._timeout
            self._client = HttpClient(
                self._url,
                Timeouts(connect=seconds, read=seconds, attempt=seconds),
                self._clock,
                connections=1,
                stopping=self._stopping,
                stop_seconds=STOP_SECONDS,
            )
        return self._client

    def _fault(self, error: HttpError) -> str:
        """Why no answer came."""
        failure = error.failure
        system = f" ({error.system})" if error.system else ""
        match failure:
            case HttpFailure.CONNECT_TIMEOUT:
                return f"no connection within {self._timeout:g} s"
            case HttpFailure.ANSWER_TIMEOUT | HttpFailure.DEADLINE:
                return f"no answer within {self._timeout:g} s"
            case HttpFailure.STOPPED:
                return "the service stopped before an answer came"
            case HttpFailure.BROKEN:
                return f"the connection broke before an answer came{system}"
            case _:
                return f"{failure.value}{system}"


def _read_start(pieces: Iterator[bytes]) -> None:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MOST_BYTES:
            return
