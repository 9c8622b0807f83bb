"""/metrics, /healthz and /readyz on one port. Nothing else is answered, and nothing but GET."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST

from reconciler.errors import ConfigurationError

READ_SECONDS: Final = 5.0


Health = Callable[[], tuple[bool, Mapping[str, object]]]


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_SECONDS
    server_version = "reconciler"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(200, self.server.metrics(), CONTENT_TYPE_LATEST)
            case "/healthz":
                self._health(self.server.alive)
            case "/readyz":
                self._health(self.server.ready)
            case _:
                self._answer(404, b"not found\n", "text/plain")

    def _health(self, ask: Health) -> None:
        good, why = ask()
        body = json.dumps({"ok": good, **why}, default=str).encode() + b"\n"
        self._answer(200 if good else 503, body, "application/json")

    def _answer(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's signature
        """A scrape is no event."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    metrics: Callable[[], bytes]
    alive: Health
    ready: Health

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is its own affair."""


class Endpoints:
    """Serves until it is stopped. Raises ConfigurationError where nothing can listen at the address."""

    def __init__(
        self, listen: str, metrics: Callable[[], bytes], alive: Health, ready: Health
    ) -> None:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = AF_INET6 if ":" in host else AF_INET
        kind = type("_Bound", (_Server,), {"address_family": family})
        try:
            self._server: _Server = kind((host, int(port)), _Handler)
        except OSError as error:
            fault = f'service.listen = "{listen}": nothing can listen there ({error.strerror}); name another address.'
            raise ConfigurationError((fault,)) from None
        self._server.metrics, self._server.alive, self._server.ready = metrics, alive, ready
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
