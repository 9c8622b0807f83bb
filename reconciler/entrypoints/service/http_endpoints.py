"""/metrics, /healthz and /readyz on one port, for GET only; every other path is 404."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST

from reconciler.errors import ConfigurationError, ConfigurationFault

READ_SECONDS: Final = 5.0

HealthCheck = Callable[[], tuple[bool, Mapping[str, object]]]
"""Returns whether all is well, and the facts behind that as JSON values."""


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
                self._answer_health(self.server.health)
            case "/readyz":
                self._answer_health(self.server.readiness)
            case _:
                self._answer(404, b"not found\n", "text/plain")

    def _answer_health(self, check: HealthCheck) -> None:
        ok, facts = check()
        body = json.dumps({"ok": ok, **facts}, default=str).encode() + b"\n"
        self._answer(200 if ok else 503, body, "application/json")

    def _answer(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        # one answer a connection: a slow client holds its thread for READ_SECONDS at most
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Log nothing: Prometheus asks several times a minute."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    metrics: Callable[[], bytes]
    health: HealthCheck
    readiness: HealthCheck

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closes the connection before the answer is complete."""


class HttpEndpoints:
    """Serves from its creation until ``stop``. Raises ConfigurationError if the address cannot be listened on."""

    def __init__(
        self,
        listen: str,
        metrics: Callable[[], bytes],
        health: HealthCheck,
        readiness: HealthCheck,
    ) -> None:
        # an IPv6 address is in brackets, which are not part of it
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = AF_INET6 if ":" in host else AF_INET
        # the family is an attribute of the class: two services with other addresses must not share it
        bound_server = type("_Bound", (_Server,), {"address_family": family})
        try:
            self._server: _Server = bound_server((host, int(port)), _Handler)
        except OSError as error:
            fault = ConfigurationFault(
                f'service.listen = "{listen}": the service cannot listen there ({error.strerror}).',
                "Name another address, or end the process that listens there.",
            )
            raise ConfigurationError((fault,)) from None

        self._server.metrics = metrics
        self._server.health, self._server.readiness = health, readiness
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Close the port, and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
