"""Serves an exact Stripe over HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reconciler.sandbox.api.server import EndsAtOnce
from tests.acceptance.payments.exact_stripe import ExactStripe, Request
from tests.acceptance.payments.stripe_objects import Json


class _Connection(BaseHTTPRequestHandler):
    """One client's connection. It only reads: any other method is refused, and a test sees it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        stripe = self.server.stripe
        self._send(*stripe.answer(self.path), stripe)

    def do_POST(self) -> None:
        stripe = self.server.stripe
        stripe.requests.append(Request(f"{self.command} {self.path}", (), self.path))
        self.close_connection = True
        self._send(405, {"error": {"type": "invalid_request_error", "message": "no"}}, stripe)

    do_DELETE = do_PUT = do_PATCH = do_POST  # noqa: N815 - named by the standard library

    def _send(self, status: int, body: Json, stripe: ExactStripe) -> None:
        data = json.dumps(body).encode()
        head = [
            f"HTTP/1.1 {status} X",
            f"Date: {format_datetime(stripe.now(), usegmt=True)}",
            f"Request-Id: req_{len(stripe.requests):014d}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            "",
            "",
        ]
        self.connection.sendall("\r\n".join(head).encode() + data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the standard library
        """Say nothing: the requests are kept."""


class _Listener(EndsAtOnce, ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.stripe = ExactStripe()
        super().__init__(("127.0.0.1", 0), _Connection)


class StripeServer:
    """One listener for many tests, each with a Stripe of its own."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener

    def new_stripe(self) -> ExactStripe:
        """A Stripe without objects; what is asked from now on is asked of it."""
        stripe = ExactStripe()
        stripe.url = f"http://127.0.0.1:{self._listener.server_port}"
        self._listener.stripe = stripe
        return stripe


@contextmanager
def serving() -> Iterator[StripeServer]:
    """Listen on a free port of loopback."""
    listener = _Listener()
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield StripeServer(listener)
    finally:
        listener.end()
        listener.server_close()
        thread.join()
