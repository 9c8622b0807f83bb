"""Requests to the port for metrics and health, bent and cut, and metrics with accounts of any name."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final
from unittest.mock import patch

from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from reconciler.clock import SystemClock
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.entrypoints.service.bounded_server import LONGEST_HEAD, MOST_CONNECTIONS
from reconciler.entrypoints.service.http_endpoints import HttpEndpoints
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.settings.account_section import AccountSection
from tests.fuzz.attempt import Attempt
from tests.fuzz.bending import RAW
from tests.unit.settings.test_random_configurations import ODD_TEXTS

STATUSES: Final = {200, 400, 404, 405, 421, 431, 503}
KNOWN_NAMES: Final = (b"localhost", b"127.", b"::1", b"metrics.internal")
"""A request that has none of these in it must not read any metric."""
REQUESTS_OF_A_NAME: Final = 100
LONGEST_SECONDS: Final = 20.0
_METHODS: Final = (
    b"GET",
    b"GET",
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"CONNECT",
    b"get",
    b"",
    b"\x00",
)
_PATHS: Final = (
    b"/metrics", b"/metrics", b"/healthz", b"/readyz", b"/", b"//metrics", b"/metrics/../healthz", b"http://localhost/metrics",
    b"*", b"", b"/%6detrics", b"/metrics?" + b"x" * 9000, b"/\xff", b"/met rics",
)  # fmt: skip
_VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"",
    b"HTTP/1.1 ",
)
_HEADERS: Final = (
    b"Host: localhost", b"Host: localhost", b"HOST: 127.0.0.1:9464", b"Host: [::1]", b"Host: metrics.internal",
    b"Host: attacker.example", b"Host: localhost.attacker.example", b"Host:", b"Host: [", b"Host: 999.1.1.1", b"Host: \xff",
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 9" + b"9" * 30, b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Expect: 100-continue", b"Connection: keep-alive", b"Connection: upgrade",
    b"Upgrade: websocket", b"X: " + b"x" * 5000, b" folded", b": no name", b"No colon", b"X-NUL: \x00",
)  # fmt: skip


@contextmanager
def metrics_port() -> Iterator[Attempt]:
    """A server as the service has it. Each request gets one answer of the documented ones, or a closed connection."""
    shown = _Shown()
    endpoints = HttpEndpoints(
        "127.0.0.1:0",
        ("metrics.internal",),
        shown.text,
        lambda: (True, {"name": shown.name}),
        lambda: (False, {"name": shown.name}),
        SystemClock(),
    )
    threads = threading.active_count()
    errors: list[object] = []

    def attempt(random: Random) -> int:
        shown.renew(random)
        for _ in range(REQUESTS_OF_A_NAME):
            request = _request(random)
            _check(request, endpoints.port, random)
            assert not errors, (request, errors)
        # the server still works, and threads of earlier requests have ended
        answer = _exchange([b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], endpoints.port)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert threading.active_count() <= threads + MOST_CONNECTIONS
        return REQUESTS_OF_A_NAME

    # in the service an error of a connection's thread ends the process
    with patch("threading.excepthook", errors.append):
        try:
            yield attempt
        finally:
            endpoints.stop()


class _Shown:
    """Metrics of an account whose name is any that the configuration takes."""

    def __init__(self) -> None:
        self.name = "default"
        self._text = b""

    def renew(self, random: Random) -> None:
        """Count for an account of another name, and read the text back as Prometheus does."""
        self.name = _account_name(random)
        metrics = Metrics()
        number = random.choice((0, 1, 2**53, 10**30))
        metrics.read_sent(self.name, Endpoint.RETRIEVE)
        metrics.job_event(self.name, random.choice(ODD_TEXTS).encode("utf-8", "replace").decode())
        metrics.deliveries_ended(DeliveryReport(self.name, number, 2, 1))
        self._text = metrics.text()
        families = text_string_to_metric_families(self._text.decode())
        read = [
            sample
            for family in families
            for sample in family.samples
            if sample.labels.get("account") == self.name
            and sample.labels.get("result") == "delivered"
        ]
        assert read, (self.name, self._text)
        assert read[0].value == float(number), (self.name, number)

    def text(self) -> bytes:
        return self._text


def _account_name(random: Random) -> str:
    while True:
        letters = [chr(random.randrange(0x20, 0x3000)) for _ in range(random.randint(1, 64))]
        name = "".join(random.choice((random.choice(ODD_TEXTS), "".join(letters), 'a"\\b', "\\n")))
        with contextlib.suppress(ValidationError):
            return AccountSection(name=name).name


def _request(random: Random) -> bytes:
    line = b" ".join((random.choice(_METHODS), random.choice(_PATHS), random.choice(_VERSIONS)))
    headers = [random.choice(_HEADERS) for _ in range(random.randrange(5))]
    end = random.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    request = end.join([line, *headers, b"", b""])
    if random.random() < 0.3:
        at = random.randrange(len(request) + 1)
        request = request[:at] + random.choice(RAW) + request[at + random.randrange(4) :]
    if random.random() < 0.1:
        request = request[: random.randrange(len(request) + 1)]
    return request


def _check(request: bytes, port: int, random: Random) -> None:
    at = random.randrange(len(request) + 1)
    answer = _exchange([request[:at], request[at:]], port)
    if not answer:
        # a request that is not whole, or bytes that the server did not read, end the connection without an answer
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    assert status in STATUSES, (request, answer)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    assert length is not None, (request, answer)
    # HEAD is refused like every other method, and has no body
    assert int(length[1]) == len(body) or request.startswith(b"HEAD"), (request, answer)
    if status in (200, 503):
        assert any(name in request.lower() for name in KNOWN_NAMES), (request, answer)
    if status == 431:
        assert len(request) > LONGEST_HEAD / 2, (request, answer)


def _exchange(pieces: list[bytes], port: int) -> bytes:
    """Send the pieces, end the request, and return everything until the server closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), LONGEST_SECONDS) as client:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError, OSError):
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65_536):
                answer += part
    return answer
