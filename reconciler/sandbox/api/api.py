"""From an HTTP request to the answer, faults and limits on the way. Knows nothing of sockets."""

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
from reconciler.sandbox.api.call import Call
from reconciler.sandbox.api.routes import Route, route_of
from reconciler.sandbox.faults.faults import Break, Breakage
from reconciler.sandbox.faults.rate_limits import Seen
from reconciler.sandbox.objects.answers import (
    ApiRefusal,
    SandboxAnswer,
    rate_limited,
    server_error,
    unknown_route,
)
from reconciler.sandbox.objects.records import API_VERSION
from reconciler.sandbox.state.sandbox import Sandbox

_PAGE_FAULTS = (Break.EMPTY_PAGE, Break.REPEATED_ITEM, Break.SKIPPED_ITEM)
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>\r\n"


class ApiSending(Enum):
    """How an answer goes over the wire."""

    WHOLE = "whole"
    RESET = "reset"
    RESET_MIDWAY = "reset_midway"
    TRUNCATED = "truncated"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An HTTP request; ``target`` is path and query as sent, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ApiReply:
    """An answer and how to send it."""

    answer: SandboxAnswer
    sending: ApiSending = ApiSending.WHOLE


class Api:
    """Stripe's API over a sandbox. ``stopping`` ends every wait early."""

    def __init__(self, sandbox: Sandbox, stopping: threading.Event | None = None) -> None:
        self._sandbox = sandbox
        self._stopping = stopping or threading.Event()
        self._numbers = itertools.count(1)
        self._replayable: dict[tuple[str, bool, str], tuple[str, bytes, SandboxAnswer]] = {}

    @contextmanager
    def handle(self, request: ApiRequest) -> Iterator[ApiReply]:
        """The reply to a request, which counts as being worked on until the block ends."""
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
                call = self._admit(request, path, ident)
                entered = self._enter(call, endpoint)
                reply = self._reply(request, call, route, endpoint, number, request_id)
            except ApiRefusal as refusal:
                reply = ApiReply(refusal.answer(request_id))
            reply = ApiReply(self._headed(request, reply.answer, request_id), reply.sending)
            status = reply.answer.status if reply.sending is ApiSending.WHOLE else 0
            shown = {
                name: value for name, value in request.headers.items() if name != "authorization"
            }
            sandbox.requests.answered(
                Seen(request.method, request.target, endpoint, status, started, shown)
            )
            yield reply
        finally:
            if entered is not None:
                sandbox.gate.leave(entered, endpoint)

    def _admit(self, request: ApiRequest, path: str, ident: str) -> Call:
        """Who is asking, and for which account; raises 401 and 403."""
        sandbox = self._sandbox
        key = sandbox.keyring.authenticate(_secret(request.headers.get("authorization")))
        account = sandbox.keyring.acting_for(key, request.headers.get("stripe-account"))
        book = sandbox.book(account, key.livemode)
        encoded = (
            request.body.decode(errors="replace")
            if request.method == "POST"
            else request.target.partition("?")[2]
        )
        return Call(sandbox, key, book, path, parameters.parse(encoded), ident, 0)

    def _enter(self, call: Call, endpoint: str) -> str:
        holder = f"{call.book.account}:{call.book.livemode}"
        reason = self._sandbox.gate.enter(holder, endpoint, livemode=call.book.livemode)
        if reason is not None:
            raise rate_limited(reason)
        return holder

    def _reply(
        self,
        request: ApiRequest,
        call: Call,
        route: Route | None,
        endpoint: str,
        number: int,
        request_id: str,
    ) -> ApiReply:
        sandbox = self._sandbox
        breakage = sandbox.faults.for_request(number, endpoint, request.target)
        kind = breakage.kind if breakage else None
        slowness = breakage.seconds if breakage and kind is Break.SLOW else 0.0
        latency = sandbox.faults.latency(number) + slowness
        if latency > 0:
            sandbox.rate_clock.wait(self._stopping, latency)
        if sandbox.before_answer is not None:
            sandbox.before_answer(endpoint, request.target)
        if breakage is not None:
            instead = _instead(breakage, request_id)
            if instead is not None:
                return instead
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
        call: Call,
        route: Route,
        request_id: str,
        page_fault: Break | None,
    ) -> SandboxAnswer:
        """The endpoint's own answer."""
        sandbox = self._sandbox
        call.demand(route.permission)
        with sandbox.lock:
            now = int(sandbox.clock.now().timestamp())
            call = Call(
                sandbox, call.key, call.book, call.path, call.params, call.ident, now, page_fault
            )
            if route.method == "GET":
                return SandboxAnswer(200, route.handle(call))
            return self._once(request, call, route, request_id)

    def _once(
        self, request: ApiRequest, call: Call, route: Route, request_id: str
    ) -> SandboxAnswer:
        """A POST, which is answered from memory when its idempotency key was seen."""
        name = request.headers.get("idempotency-key")
        place = (call.book.account, call.book.livemode, name or "")
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
        with self._sandbox.caused_by(request_id, name):
            try:
                answer = SandboxAnswer(200, route.handle(call))
            except ApiRefusal as refusal:
                answer = refusal.answer(request_id)
        if name:
            self._replayable[place] = (request.target, request.body, answer)
        return answer

    def _headed(self, request: ApiRequest, answer: SandboxAnswer, request_id: str) -> SandboxAnswer:
        """The answer with the headers that each of Stripe's has; a gateway's page has none but the date."""
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


def _instead(breakage: Breakage, request_id: str) -> ApiReply | None:
    """What is said instead of the true answer; None where the true answer is at least begun."""
    kind = breakage.kind
    if kind is Break.RATE_LIMITED:
        raise rate_limited(breakage.reason)
    if kind is Break.SERVER_ERROR:
        raise server_error()
    if kind is Break.BAD_GATEWAY:
        return ApiReply(SandboxAnswer(502, _HTML, content_type="text/html"))
    if kind is Break.MALFORMED:
        return ApiReply(SandboxAnswer(200, b'{"object": "list", "data": [{"id": "pi_'))
    if kind is Break.ANSWER and breakage.answer is not None:
        return ApiReply(breakage.answer)
    if kind in (Break.RESET, Break.SILENT):
        # Nothing of it is ever sent.
        return ApiReply(SandboxAnswer(200, request_id.encode()), ApiSending(kind.value))
    return None


def _secret(authorization: str | None) -> str | None:
    """The key in an Authorization header, Bearer or Basic (curl -u key:)."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None
