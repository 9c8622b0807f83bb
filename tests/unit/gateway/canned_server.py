"""An HTTP server with prepared replies, and Stripe's objects to reply with."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.clock import ManualClock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.sandbox.api.server import EndsAtOnce

DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
KEY = "rk_test_51Hvery0secret0key"
SECRET = "pi_1_secret_Dm43xiq1k0ywrRR"
CREATED = 1_772_000_000

Reply = bytes
ReplyTo = Callable[[str], Reply]


def reply(body: Any = b"", status: int = 200, *, date: str | None = DATE, **headers: str) -> Reply:
    """A whole HTTP answer. A body that is not bytes is sent as JSON; ``should_retry`` as ``Stripe-Should-Retry``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [] if date is None else [f"Date: {date}"]
    named = {"request_id": "req_abc", **headers}
    for name, value in named.items():
        full = name.replace("_", "-")
        full = f"Stripe-{full}" if full.startswith(("should", "rate", "notice")) else full
        lines.append(f"{full}: {value}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def error(
    status: int,
    message: str = "No.",
    *,
    code: str | None = None,
    param: str | None = None,
    **headers: str,
) -> Reply:
    """An answer with Stripe's error body."""
    body = {"type": "invalid_request_error", "code": code, "param": param, "message": message}
    return reply({"error": body}, status, **headers)


def charge(**changes: Any) -> dict[str, Any]:
    return {
        "id": "ch_1",
        "object": "charge",
        "status": "succeeded",
        "created": CREATED + 1,
        "amount": 1099,
        "amount_captured": 1099,
        "amount_refunded": 0,
        "refunded": False,
        "disputed": False,
        "livemode": False,
        "failure_code": None,
        "payment_method_details": {"type": "card", "card": {"brand": "visa"}},
        **changes,
    }


def intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "client_secret": SECRET,
        "status": "succeeded",
        "amount": 1099,
        "amount_received": 1099,
        "amount_capturable": 0,
        "currency": "usd",
        "created": CREATED,
        "canceled_at": None,
        "livemode": False,
        "last_payment_error": None,
        "latest_charge": charge(),
        "metadata": {},
        "next_action": None,
        "payment_method_types": ["card"],
        **changes,
    }


def event(**changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": CREATED,
        "livemode": False,
        "pending_webhooks": 1,
        "data": {"object": intent()},
        **changes,
    }


def page(items: Iterable[Any], *, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/x", "data": list(items), "has_more": has_more}


class _Handler(BaseHTTPRequestHandler):
    server: CannedServer

    def do_GET(self) -> None:
        self.server.targets.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.connection.sendall(self.server.next_reply(self.path))
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


class CannedServer(EndsAtOnce, ThreadingHTTPServer):
    """Sends the replies in turn, and then the last one again and again. A function makes its reply from the target."""

    daemon_threads = True

    def __init__(self, *replies: Reply | ReplyTo) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._thread = threading.Thread(target=self.serve)

    def next_reply(self, target: str) -> bytes:
        following = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return following(target) if callable(following) else following

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed its connection."""


class HookCalls:
    """The calls of the gateway's hooks."""

    def __init__(self) -> None:
        self.acquired: list[Endpoint] = []
        self.released: list[Endpoint] = []
        self.limited: list[tuple[RateLimitReason, Endpoint]] = []

    def on_limited(self, reason: RateLimitReason, endpoint: Endpoint) -> None:
        self.limited.append((reason, endpoint))


def gateway_to(
    url: str,
    clock: ManualClock,
    hook_calls: HookCalls | None = None,
    *,
    api_key: str = KEY,
    livemode: bool | None = None,
    stripe_account: str | None = None,
    metadata_keys: Iterable[str] = (),
    retries: Retries | None = None,
    timeouts: Timeouts | None = None,
) -> StripeGateway:
    hook_calls = hook_calls or HookCalls()
    return StripeGateway(
        api_key,
        account="shop",
        clock=clock,
        acquire=hook_calls.acquired.append,
        release=hook_calls.released.append,
        limited=hook_calls.on_limited,
        api_base=url,
        livemode=livemode,
        stripe_account=stripe_account,
        metadata_keys=tuple(metadata_keys),
        retries=retries,
        timeouts=timeouts,
    )


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
