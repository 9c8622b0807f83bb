"""The service's HTTP endpoints: /metrics for Prometheus, /healthz for whether it works, /readyz for whether it is ready."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from reconciler.clock import Clock
from reconciler.entrypoints.service.bounded_server import Answer, BoundedServer, Request
from reconciler.errors import ConfigurationError, ConfigurationFault

WAITING_CONNECTIONS: Final = 32
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, never listened on

HealthCheck = Callable[[], tuple[bool, Mapping[str, object]]]
"""Returns whether all is well, and the facts behind that as JSON values."""


class HttpEndpoints:
    """Serves from its creation until ``stop``.

    It answers only requests whose Host is this machine's loopback, the host of ``listen``, or one of ``hosts``: a web
    page that has its own name resolved to this address reads nothing. Raises ConfigurationError if the address cannot be
    listened on.
    """

    def __init__(
        self,
        listen: str,
        hosts: Sequence[str],
        metrics: Callable[[], bytes],
        health: HealthCheck,
        readiness: HealthCheck,
        clock: Clock,
    ) -> None:
        # an IPv6 address is in brackets, which are not part of it
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        self._own_host = host.lower()
        self._hosts = frozenset(name.lower() for name in hosts)
        self._metrics = metrics
        self._health = health
        self._readiness = readiness
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server(
                (host, int(port)), family=family, backlog=WAITING_CONNECTIONS
            )
        except OSError as error:
            fault = ConfigurationFault(
                f'service.listen = "{listen}": the service cannot listen there ({error.strerror}).',
                'Set another address or port as listen in [service], or listen = "" for none; or end the process that'
                " listens there.",
            )
            raise ConfigurationError((fault,)) from None
        self._server = BoundedServer(listener, self._answer, clock)
        self._server.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        if not self._is_known(request):
            return Answer(
                421, b"this server has another name: add the name to service.hosts to use it\n"
            )
        if request.method != "GET":
            return Answer(405, b"only GET is answered\n")
        match request.path:
            case "/metrics":
                return Answer(200, self._metrics(), CONTENT_TYPE_LATEST)
            case "/healthz":
                return _health_answer(self._health)
            case "/readyz":
                return _health_answer(self._readiness)
            case _:
                return Answer(404, b"not found\n")

    def _is_known(self, request: Request) -> bool:
        name = _host_name(request.host)
        if name == "localhost" or name in self._hosts or name == self._own_host:
            return True
        try:
            named = ip_address(name)
        except ValueError:
            return False
        if named.is_loopback:
            return True
        # a service that listens on every address is known by the one that the connection came to
        return self._own_host in _WILDCARDS and named == _plain_address(request.address)


def _host_name(host: str | None) -> str:
    """The name or address in a Host header, without port and brackets; empty if there is none."""
    if host is None:
        return ""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _plain_address(address: str) -> object:
    """The address of a connection. One socket for both versions shows an IPv4 address inside an IPv6 one."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _health_answer(check: HealthCheck) -> Answer:
    ok, facts = check()
    body = json.dumps({"ok": ok, **facts}, default=str).encode() + b"\n"
    return Answer(200 if ok else 503, body, "application/json")
