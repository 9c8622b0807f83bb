"""HTTP requests to Stripe over one connection pool, through the official SDK or without it.

Both ways send the same parameters and headers. Each attempt has a deadline, and no redirect is followed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import stripe
from stripe import _util

from reconciler.adapters.http.connections import HttpError, HttpFailure, RequestBounds
from reconciler.adapters.http.http_client import (
    AnswerHead,
    HttpClient,
    HttpRequest,
    Timeouts,
    decoded,
)
from reconciler.clock import Clock
from reconciler.errors import MalformedAnswerError, StripeUnavailableError

LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes. A page of a hundred expanded intents has about 700,000."""
EARLIEST_DATE: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_DATE: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""A Date outside of these is no date: grace periods are added to it, and Python's calendar ends with the year 9999."""

_REQUEST_ID: Final = re.compile(r"req_[A-Za-z0-9_]{1,251}")
_NETWORK_HINT: Final = (
    "Check the network, any proxy and stripe.api_base; the next sweep tries again."
)
_LOGGERS: Final = ("stripe", "httpx", "httpcore")
_MALFORMED: Final = {
    HttpFailure.CUT_SHORT,
    HttpFailure.HEAD_TOO_LONG,
    HttpFailure.BODY_TOO_LONG,
    HttpFailure.WRONG_ENCODING,
}


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
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return moment if EARLIEST_DATE <= moment < LATEST_DATE else None


class Transport:
    """Sends a GET to Stripe's address and returns the whole answer, of any status. Safe to share between threads.

    ``wait_for_room`` is called with the size of a body before more of it is received.

    Proxies and ``SSL_CERT_FILE`` are taken from the environment; a ``.netrc`` is not read. Once ``stopping`` is set, no
    attempt goes on. Raises ConfigurationError.
    """

    def __init__(
        self,
        api_base: str,
        timeouts: Timeouts,
        clock: Clock,
        connections: int,
        stopping: threading.Event,
        wait_for_room: Callable[[int, Callable[[], float]], None],
    ) -> None:
        self._timeouts = timeouts
        self._wait_for_room = wait_for_room
        self._client = HttpClient(api_base, timeouts, clock, connections, stopping)

    def get(self, url: str, headers: Mapping[str, str]) -> HttpAnswer:
        """The answer. Raises AttemptError if none comes, or if it is incomplete."""
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            return self._client.exchange(HttpRequest("GET", target, headers), self._whole_answer)
        except HttpError as error:
            failed = self._failed_attempt(error)
        raise failed

    def close(self) -> None:
        """End every attempt, and close every connection."""
        self._client.close()

    def _whole_answer(
        self, head: AnswerHead, pieces: Iterator[bytes], bounds: RequestBounds
    ) -> HttpAnswer:
        request_id = head.headers.get("request-id", "")
        date = parse_date(head.headers.get("date"))
        encoding = head.headers.get("content-encoding")
        plain = pieces if encoding is None else decoded(pieces, encoding, LARGEST_BODY)

        body = bytearray()
        for piece in plain:
            body += piece
            if len(body) > LARGEST_BODY:
                raise HttpError(HttpFailure.BODY_TOO_LONG)
            # a large one waits until few enough others are held
            self._wait_for_room(len(body), bounds.wait_seconds)
        return HttpAnswer(
            head.status,
            head.headers,
            bytes(body),
            request_id if _REQUEST_ID.fullmatch(request_id) else None,
            date,
        )

    def _failed_attempt(self, error: HttpError) -> AttemptError:
        failure = error.failure
        if failure in _MALFORMED:
            return malformed_answer(failure.value)
        match failure:
            case HttpFailure.UNTRUSTED_CERTIFICATE:
                return AttemptError(
                    failure.value,
                    "Set SSL_CERT_FILE to the certificates of your proxy, or repair this "
                    "machine's certificates.",
                    retry=False,
                )
            case HttpFailure.STOPPED:
                return AttemptError(failure.value, "The next sweep makes this read.", retry=False)
            case HttpFailure.DEADLINE:
                seconds = f"{self._timeouts.attempt:g} s"
                return AttemptError(f"the answer was incomplete after {seconds}", _NETWORK_HINT)
            case _:
                system = f" ({error.system})" if error.system else ""
                return AttemptError(f"{failure.value}{system}", _NETWORK_HINT)


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

        # the SDK gets an empty body: the gateway itself reads the kept answer, within bounds that the SDK does not have
        return ("{}" if answer.status == 200 else '{"error": {}}'), answer.status, answer.headers

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
