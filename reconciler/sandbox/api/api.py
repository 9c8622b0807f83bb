"""From an HTTP request to its answer, with faults and rate limits. It does not use sockets."""

from __future__ import annotations

import base64
import binascii
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from enum import Enum
from urllib.parse import unquote

from reconciler.sandbox.api import parameters
from reconciler.sandbox.api.api_call import ApiCall
from reconciler.sandbox.api.routes import Route, route_of
from reconciler.sandbox.faults.faults import PlannedFault, RequestFault
from reconciler.sandbox.objects.answers import (
    ApiRefusal,
    SandboxAnswer,
    rate_limited,
    server_error,
    unknown_route,
)
from reconciler.sandbox.objects.records import API_VERSION
from reconciler.sandbox.state.request_log import LoggedRequest
from reconciler.sandbox.state.sandbox import Sandbox

_PAGE_FAULTS = (RequestFault.EMPTY_PAGE, RequestFault.REPEATED_ITEM, RequestFault.SKIPPED_ITEM)
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>\r\n"


class ApiSending(Enum):
    """How the server sends an answer."""

    WHOLE = "whole"
    RESET = "reset"
    RESET_MIDWAY = "reset_midway"
    TRUNCATED = "truncated"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An HTTP request. ``target`` is path and query as sent; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ApiReply:
    """An answer, and how to send it."""

    answer: SandboxAnswer
    sending: ApiSending = ApiSending.WHOLE


class Api:
    """Stripe's API for a sandbox. ``stopping`` ends every wait early."""

    def __init__(self, sandbox: Sandbox, stopping: threading.Event | None = None) -> None:
        self._sandbox = sandbox
        self._stopping = stopping or threading.Event()
        self._numbers = itertools.count(1)
        self._replayable: dict[tuple[str, bool, str], tuple[str, bytes, SandboxAnswer]] = {}

    @contextmanager
    def handle(self, request: ApiRequest) -> Iterator[ApiReply]:
        """The reply to a request. The request counts as being in progress until the block ends."""
        sandbox = self._sandbox
        number = next(self._numbers)
        request_id = f"req_{number:014d}"
        path = unquote(request.target.partition("?")[0])
        route, ident = route_of(request.method, path)
        endpoint = route.endpoint if route else f"{request.method} (unknown)"
        started = sandbox.rate_clock.monotonic()
        sandbox.requests.arrived(endpoint, started)

        entered: str | None = None
        try:
            try:
                call = self._authenticate(request, path, ident)
                entered = self._take_limits(call, endpoint)
                reply = self._reply(request, call, route, endpoint, number, request_id)
            except ApiRefusal as refusal:
                reply = ApiReply(refusal.answer(request_id))

            reply = ApiReply(self._with_headers(request, reply.answer, request_id), reply.sending)
            # the log never has the key, and has status 0 for an answer that is not sent whole
            status = reply.answer.status if reply.sending is ApiSending.WHOLE else 0
            shown = {
                name: value for name, value in request.headers.items() if name != "authorization"
            }
            sandbox.requests.answered(
                LoggedRequest(request.method, request.target, endpoint, status, started, shown)
            )
            yield reply
        finally:
            if entered is not None:
                sandbox.limiter.leave(entered, endpoint)

    def _authenticate(self, request: ApiRequest, path: str, ident: str) -> ApiCall:
        """The request with its key and account. Raises Stripe's 401 and 403."""
        sandbox = self._sandbox
        key = sandbox.api_keys.authenticate(_key_of(request.headers.get("authorization")))
        account = sandbox.api_keys.account_for(key, request.headers.get("stripe-account"))
        records = sandbox.records(account, key.livemode)
        encoded = (
            request.body.decode(errors="replace")
            if request.method == "POST"
            else request.target.partition("?")[2]
        )
        return ApiCall(sandbox, key, records, path, parameters.parse(encoded), ident, 0)

    def _take_limits(self, call: ApiCall, endpoint: str) -> str:
        """Enter the rate limits, and return their holder. Raises Stripe's 429."""
        holder = f"{call.records.account}:{call.records.livemode}"
        reason = self._sandbox.limiter.enter(holder, endpoint, livemode=call.records.livemode)
        if reason is not None:
            raise rate_limited(reason)
        return holder

    def _reply(
        self,
        request: ApiRequest,
        call: ApiCall,
        route: Route | None,
        endpoint: str,
        number: int,
        request_id: str,
    ) -> ApiReply:
        """The reply with its fault, or the endpoint's own."""
        sandbox = self._sandbox
        planned = sandbox.faults.for_request(number, endpoint, request.target)
        kind = planned.kind if planned else None
        slowness = planned.seconds if planned and kind is RequestFault.SLOW else 0.0
        latency = sandbox.faults.latency(number) + slowness
        if latency > 0:
            sandbox.rate_clock.wait(self._stopping, latency)

        if sandbox.before_answer is not None:
            sandbox.before_answer(endpoint, request.target)
        if planned is not None:
            replacement = _replacement(planned, request_id)
            if replacement is not None:
                return replacement
        if route is None:
            raise unknown_route(request.method, call.path)

        page_fault = kind if kind in _PAGE_FAULTS else None
        answer = self._answer(request, call, route, request_id, page_fault)
        return ApiReply(
            answer, ApiSending(kind.value) if kind and kind.value in _SENDINGS else ApiSending.WHOLE
        )

    def _answer(
        self,
        request: ApiRequest,
        call: ApiCall,
        route: Route,
        request_id: str,
        page_fault: RequestFault | None,
    ) -> SandboxAnswer:
        """The endpoint's own answer."""
        sandbox = self._sandbox
        call.raise_if_forbidden(route.permission)
        with sandbox.lock:
            now = int(sandbox.clock.now().timestamp())
            call = ApiCall(
                sandbox, call.key, call.records, call.path, call.params, call.ident, now, page_fault
            )
            if route.method == "GET":
                return SandboxAnswer(200, route.handle(call))
            return self._post_once(request, call, route, request_id)

    def _post_once(
        self, request: ApiRequest, call: ApiCall, route: Route, request_id: str
    ) -> SandboxAnswer:
        """A POST. A repeated idempotency key gets the first answer again."""
        name = request.headers.get("idempotency-key")
        place = (call.records.account, call.records.livemode, name or "")
        known = self._replayable.get(place) if name else None
        if known is not None:
            target, body, answer = known
            if (target, body) != (request.target, request.body):
                raise ApiRefusal(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{name}' if you meant to execute a different request.",
                    kind="idempotency_error",
                )
            return answer.with_header("Idempotent-Replayed", "true")

        # Stripe keeps a refusal for the key too
        with self._sandbox.caused_by(request_id, name):
            try:
                answer = SandboxAnswer(200, route.handle(call))
            except ApiRefusal as refusal:
                answer = refusal.answer(request_id)
        if name:
            self._replayable[place] = (request.target, request.body, answer)
        return answer

    def _with_headers(
        self, request: ApiRequest, answer: SandboxAnswer, request_id: str
    ) -> SandboxAnswer:
        """The answer with the headers of every answer of Stripe's. A gateway's page has only the date."""
        date = ("Date", format_datetime(self._sandbox.clock.now(), usegmt=True))
        if answer.content_type != "application/json":
            return SandboxAnswer(
                answer.status, answer.body, (date, *answer.headers), answer.content_type
            )

        headers = [
            ("Server", "nginx"),
            date,
            ("Access-Control-Allow-Origin", "*"),
            ("Cache-Control", "no-cache, no-store"),
            ("Request-Id", request_id),
            ("Stripe-Version", request.headers.get("stripe-version", API_VERSION)),
        ]
        for sent, shown in (
            ("stripe-account", "Stripe-Account"),
            ("idempotency-key", "Idempotency-Key"),
        ):
            if sent in request.headers:
                headers.append((shown, request.headers[sent]))
        return SandboxAnswer(
            answer.status, answer.body, (*headers, *answer.headers), answer.content_type
        )


_SENDINGS = {sending.value for sending in ApiSending}


def _replacement(planned: PlannedFault, request_id: str) -> ApiReply | None:
    """The reply in place of the endpoint's answer; None if at least the start of the endpoint's answer is sent."""
    kind = planned.kind
    if kind is RequestFault.RATE_LIMITED:
        raise rate_limited(planned.reason)
    if kind is RequestFault.SERVER_ERROR:
        raise server_error()
    if kind is RequestFault.BAD_GATEWAY:
        return ApiReply(SandboxAnswer(502, _HTML, content_type="text/html"))
    if kind is RequestFault.MALFORMED:
        return ApiReply(SandboxAnswer(200, b'{"object": "list", "data": [{"id": "pi_'))
    if kind is RequestFault.ANSWER and planned.answer is not None:
        return ApiReply(planned.answer)
    if kind in (RequestFault.RESET, RequestFault.SILENT):
        # nothing of this answer is sent
        return ApiReply(SandboxAnswer(200, request_id.encode()), ApiSending(kind.value))
    return None


def _key_of(authorization: str | None) -> str | None:
    """The key in an Authorization header, of type Bearer or Basic (``curl -u key:``)."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
