"""HTTP requests to Stripe over one connection pool, through the official SDK or without it.

Both ways send the same parameters and headers. Each attempt has a deadline, and no redirect is followed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import stripe
from stripe import _util

from reconciler.clock import Clock
from reconciler.errors import MalformedAnswerError, StripeUnavailableError

LARGEST_BODY: Final = 64 * 1024 * 1024
"""Bytes. A page of a hundred expanded intents has about 700,000."""

_REQUEST_ID: Final = re.compile(r"req_[A-Za-z0-9_]{1,251}")
_NETWORK_HINT: Final = (
    "Check the network, any proxy and stripe.api_base; the next sweep tries again."
)
_LOGGERS: Final = ("stripe", "httpx", "httpcore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, between two pieces of an answer, and for an attempt in all."""

    connect: float = 3.05
    read: float = 20.0
    attempt: float = 60.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer: status, headers (names in lower case) and body. Its repr shows neither headers nor body.

    ``request_id`` is Stripe's ``Request-Id``, which Stripe's support asks for; None if the answer has none.
    ``date`` is the ``Date`` header; None if there is none or if it is not a date.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request_id: str | None = None
    date: datetime | None = None

    @property
    def should_retry(self) -> bool | None:
        """Stripe's own advice (``Stripe-Should-Retry``); None if it gave none."""
        return {"true": True, "false": False}.get(self.headers.get("stripe-should-retry", ""))


class AttemptError(Exception):
    """One attempt failed, and another may succeed. Never leaves the gateway.

    ``reason`` is a phrase for a person, without the answer's contents. ``least_wait`` is the fewest seconds to wait
    before the next attempt, if a proxy asked for a wait.
    """

    def __init__(
        self,
        reason: str,
        hint: str,
        *,
        retry: bool = True,
        malformed: bool = False,
        least_wait: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.retry = retry
        self.malformed = malformed
        self.least_wait = least_wait

    def final_error(self, what: str, tries: int) -> StripeUnavailableError:
        """The error for the caller, after the last attempt to read ``what``."""
        kind = MalformedAnswerError if self.malformed else StripeUnavailableError
        times = "1 try" if tries == 1 else f"{tries} tries"
        return kind(
            f"Stripe gave no usable answer for {what} in {times}: {self.reason}.", self.hint
        )


def malformed_answer(reason: str) -> AttemptError:
    """The answer as a whole is not what was requested; the next one may be."""
    hint = "Check stripe.api_base and any proxy; the next sweep tries again."
    return AttemptError(reason, hint, malformed=True)


def parse_date(value: str | None) -> datetime | None:
    """An RFC 7231 date as an aware time in UTC; None if there is none or if it is not a date."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Transport:
    """Sends a GET and returns the whole answer, of any status. Safe to share between threads.

    httpx reads proxies and ``SSL_CERT_FILE`` from the environment; a ``.netrc`` is not read. A redirect is not
    followed, so that the key goes to no other host.
    """

    def __init__(self, timeouts: Timeouts, clock: Clock, connections: int) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._client = httpx.Client(
            verify=_trusted_certificates(),
            timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
        )

    def get(self, url: str, headers: Mapping[str, str]) -> HttpAnswer:
        """The answer. Raises AttemptError if none comes, or if it is incomplete."""
        deadline = self._clock.monotonic() + self._timeouts.attempt
        answer_began = False
        try:
            with self._client.stream("GET", url, headers=dict(headers)) as response:
                answer_began = True
                body = self._whole_body(response, deadline)
                return _answer(response, body)
        except (httpx.TransportError, httpx.DecodingError) as error:
            failed = _failure(error, answer_began=answer_began)

        # raised outside the except block, so that the library's error, which may quote secrets, is not chained to it
        raise failed

    def _whole_body(self, response: httpx.Response, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise malformed_answer("the answer does not end")

            # httpx limits the wait for each piece, and a slow server could send pieces without end
            if self._clock.monotonic() > deadline:
                raise AttemptError(
                    f"the answer was incomplete after {self._timeouts.attempt:g} s", _NETWORK_HINT
                )
        return b"".join(chunks)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


class SdkTransport(stripe.HTTPClient):
    """Lets the SDK send through a Transport, and keeps the answer: the SDK drops the headers of a proxy's page."""

    name = "httpx"

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport
        self._kept = threading.local()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: object = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request of the SDK. Raises ValueError for anything but a read."""
        if method != "get" or post_data is not None:
            raise ValueError("the gateway only reads")
        answer = self._transport.get(url, headers or {})
        self._kept.answer = answer

        # of an error the SDK gets an empty body: it fails on an `error` that is no object, as proxies send
        text = answer.body.decode(errors="replace") if answer.status == 200 else '{"error": {}}'
        return text, answer.status, answer.headers

    def take_answer(self) -> HttpAnswer | None:
        """This thread's last answer, once."""
        answer: HttpAnswer | None = self._kept.__dict__.pop("answer", None)
        return answer

    def close(self) -> None:
        """Nothing: the owner of the Transport closes it."""


class Sender:
    """Sends the reads of one account. Raises AttemptError if no answer comes; the caller judges the status."""

    def __init__(
        self, transport: Transport, api_key: str, stripe_account: str | None, api_base: str
    ) -> None:
        _silence_libraries()
        self._transport = transport
        self._sdk_transport = SdkTransport(transport)
        self._base = api_base.rstrip("/")
        self._client = stripe.StripeClient(
            api_key,
            stripe_account=stripe_account,
            base_addresses={"api": self._base},
            max_network_retries=0,  # the gateway's RetryPolicy is the only retry layer
            http_client=self._sdk_transport,
        )
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Stripe-Version": stripe.api_version,
            "User-Agent": f"Stripe/v1 PythonBindings/{stripe.VERSION}",
            **({} if stripe_account is None else {"Stripe-Account": stripe_account}),
        }

    def get_by_sdk(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        """A read as the SDK sends it."""
        # the SDK's error is ignored: the answer itself is judged, by the same code for both ways of sending
        with contextlib.suppress(stripe.StripeError):
            self._client.raw_request("get", path, **params)
        answer = self._sdk_transport.take_answer()
        if answer is None:
            raise AttemptError("the SDK sent nothing", "Report this.", retry=False)
        return answer

    def get_directly(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        """The same read without the SDK, which parses and formats each body twice: 24 ms of CPU for a page."""
        return self._transport.get(f"{self._base}{path}?{_query(params)}", self._headers)


def _query(params: Mapping[str, Any]) -> str:
    """The query string as the SDK writes it: ``expand[0]=…``, ``created[gte]=…``."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        match value:
            case Mapping():
                pairs += [(f"{name}[{key}]", str(item)) for key, item in value.items()]
            case list() | tuple():
                pairs += [(f"{name}[{number}]", str(item)) for number, item in enumerate(value)]
            case _:
                pairs.append((name, str(value)))
    return urlencode(pairs).replace("%5B", "[").replace("%5D", "]")


def _silence_libraries() -> None:
    """Keep libraries from logging what they send and receive, and the SDK from writing an id file into the home."""
    stripe.enable_telemetry = False
    stripe.log = None
    _util.STRIPE_LOG = None  # read from the environment at import: it would print whole bodies

    # at DEBUG `stripe` logs whole bodies, client_secret included; the others log every address
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes 30 ms, and several accounts may be open."""
    return httpx.create_ssl_context()


def _answer(response: httpx.Response, body: bytes) -> HttpAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    request_id = headers.get("request-id", "")
    return HttpAnswer(
        response.status_code,
        headers,
        body,
        request_id if _REQUEST_ID.fullmatch(request_id) else None,
        parse_date(headers.get("date")),
    )


def _failure(
    error: httpx.TransportError | httpx.DecodingError, *, answer_began: bool
) -> AttemptError:
    """The gateway's own description: a library's message may hold an address with a password, or pieces of the answer."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AttemptError(
                "this machine does not trust its TLS certificate",
                "Set SSL_CERT_FILE to the certificates of the proxy in between, or repair the system's certificates.",
                retry=False,
            )

    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            reason = "no connection in time"
        case httpx.TimeoutException():
            reason = "no answer in time"
        case httpx.ConnectError():
            reason = "no connection" + _system_message(error)
        case httpx.ProxyError():
            reason = "the proxy refused"
        case httpx.DecodingError():
            return malformed_answer("the answer is not encoded as its headers say")
        case httpx.RemoteProtocolError() if answer_began:
            return malformed_answer("the answer is cut short")
        case _:
            reason = "the connection broke" + _system_message(error)
    return AttemptError(reason, _NETWORK_HINT)


def _system_message(error: BaseException) -> str:
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
