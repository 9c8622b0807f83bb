"""Answers that would hold a request without end: each attempt ends at its own deadline, and soon after a stop."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.adapters.webhook_sender import HttpWebhookSender
from reconciler.clock import SystemClock
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.canned_server import KEY
from tests.unit.gateway.raw_server import Conversation, RawServer, once, repeated

DEADLINE = 0.15
LATEST = DEADLINE + 1
"""Seconds after which an attempt must have ended; each conversation would last without end."""
LARGEST_GROWTH = 64 * 1024 * 1024
REPOSITORY = Path(__file__).parents[3]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\nContent-Length: 100000000\r\n\r\n"
GZIP_NAME = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"
"""The start of a gzip header that a file name follows, which ends with a zero byte."""


@dataclass(frozen=True)
class Hostile:
    """A conversation, the seconds between two of its pieces, and whether the server waits for the request first."""

    conversation: Conversation
    pause: float = 0.01
    reads_request: bool = True
    scheme: str = "http"


HOSTILE = {
    "nothing": Hostile(once(b"")),
    "a status line without end": Hostile(repeated(b"HTTP/1.1 200 ", b"O")),
    "a header byte by byte": Hostile(repeated(OK + b"X-Slow: ", b"x")),
    "a header as fast as possible": Hostile(repeated(OK + b"X-Fast: ", b"x" * 1000), pause=0),
    "headers without end": Hostile(repeated(OK, b"X-One: more\r\n")),
    "interim answers": Hostile(repeated(b"", b"HTTP/1.1 102 Processing\r\n\r\n")),
    "interim answers as fast as possible": Hostile(
        repeated(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 50), pause=0
    ),
    "a body byte by byte": Hostile(repeated(OK + b"Content-Length: 100000\r\n\r\n", b" ")),
    "a body as fast as possible": Hostile(
        repeated(OK + b"Content-Length: 10000000000\r\n\r\n", b" " * 65_536), pause=0
    ),
    "chunks without end": Hostile(repeated(CHUNKED, b"1\r\n \r\n")),
    "a chunk's extension without end": Hostile(repeated(CHUNKED + b"1;x=", b"x")),
    "trailers without end": Hostile(repeated(CHUNKED + b"0\r\n", b"X-One: more\r\n")),
    "a gzip header byte by byte": Hostile(repeated(GZIP + GZIP_NAME, b"a")),
    "a gzip header as fast as possible": Hostile(repeated(GZIP + GZIP_NAME, b"a" * 65_536), pause=0),
    "no TLS handshake": Hostile(once(b""), reads_request=False, scheme="https"),
    "a TLS record byte by byte": Hostile(
        repeated(b"\x16\x03\x03\x40\x00", b"\0"), reads_request=False, scheme="https"
    ),
}  # fmt: skip


def served(hostile: Hostile) -> RawServer:
    return RawServer(hostile.conversation, pause=hostile.pause, reads_request=hostile.reads_request)


def gateway_to(server: RawServer, hostile: Hostile, *, deadline: float, stopping: threading.Event | None = None) -> StripeGateway:  # fmt: skip
    return StripeGateway(
        KEY,
        account="shop",
        clock=SystemClock(),
        acquire=lambda _: None,
        api_base=f"{hostile.scheme}://127.0.0.1:{server.port}",
        timeouts=Timeouts(connect=60, read=60, attempt=deadline),
        retries=Retries(attempts=1),
        stopping=stopping,
    )


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[float, int]]:
    """Each attempt's seconds, and by how many bytes the process grew during it. One process makes all of them."""
    with ExitStack() as stack:
        urls = []
        for hostile in HOSTILE.values():
            server = stack.enter_context(served(hostile))
            urls.append(f"{hostile.scheme}://127.0.0.1:{server.port}")
        run = subprocess.run(
            [sys.executable, "-m", "tests.unit.gateway.measured_attempts", str(DEADLINE), *urls],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return dict(zip(HOSTILE, results, strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_an_attempt_ends_at_its_deadline(measured: dict[str, tuple[float, int]], name: str) -> None:
    """Connecting, headers, interim answers and body share one deadline, however long a single piece may take: the attempt
    ends a second after it at the latest, and the process grows by at most 64 MB."""
    seconds, growth = measured[name]
    assert seconds < LATEST
    assert growth <= LARGEST_GROWTH


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stop_ends_an_attempt(name: str) -> None:
    """A stop does not wait for Stripe: the attempt ends within five seconds, however long its deadline is, and no other
    attempt follows."""
    hostile, clock = HOSTILE[name], SystemClock()
    stopping = threading.Event()
    failures: list[Exception] = []

    def read(gateway: StripeGateway) -> None:
        try:
            gateway.retrieve("pi_1")
        except StripeUnavailableError as error:
            failures.append(error)

    with (
        served(hostile) as server,
        gateway_to(server, hostile, deadline=60, stopping=stopping) as gateway,
    ):
        reading = threading.Thread(target=read, args=(gateway,))
        reading.start()
        assert server.asked.wait(5)
        began = clock.monotonic()
        stopping.set()
        reading.join(5)
        assert clock.monotonic() - began < 5
    assert len(failures) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_delivery_ends_at_its_deadline(name: str) -> None:
    """The merchant's endpoint can hold a request no longer than the configured time; a status that came is a receipt."""
    hostile, clock = HOSTILE[name], SystemClock()
    with served(hostile) as server:
        url = f"{hostile.scheme}://127.0.0.1:{server.port}/hook"
        sender = HttpWebhookSender(url, DEADLINE, clock, threading.Event())
        began = clock.monotonic()
        receipt = sender.post(b"{}", {})
        assert clock.monotonic() - began < LATEST
        sender.close()
    assert (receipt.status is None) is (receipt.fault is not None)
