"""The port for metrics and health: few connections, each short and small, and only for names that it knows."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.service import bounded_server
from reconciler.entrypoints.service.http_endpoints import HttpEndpoints
from reconciler.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[3]
LARGEST_GROWTH = 64 * 1024 * 1024
CONNECTIONS = 30
HUGE_HEADER = b"X-Huge: " + b"x" * 1_000_000 + b"\r\n"


@contextmanager
def serving(
    listen: str = "127.0.0.1:0",
    hosts: tuple[str, ...] = (),
    metrics: Callable[[], bytes] = lambda: b"reconciler_up 1\n",
) -> Iterator[int]:
    """Endpoints on a free port, whose health is good and which are not ready."""
    endpoints = HttpEndpoints(
        listen, hosts, metrics, lambda: (True, {}), lambda: (False, {"late": []}), SystemClock()
    )
    try:
        yield endpoints.port
    finally:
        endpoints.stop()


def received(client: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    client.settimeout(20)
    data = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := client.recv(65_536):
            data += piece
    return data


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


def ask(port: int, head: str, address: str = "127.0.0.1") -> bytes:
    with socket.create_connection((address, port)) as client:
        client.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return received(client)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/metrics", 200, b"reconciler_up 1\n"),
        ("/metrics?x=1", 200, b"reconciler_up 1\n"),
        ("/healthz", 200, b'{"ok": true}\n'),
        ("/readyz", 503, b'{"ok": false, "late": []}\n'),
        ("/", 404, b"not found\n"),
    ],
)
def test_each_path_has_its_answer(path: str, status: int, body: bytes) -> None:
    """Three paths answer; each connection gets one answer and is closed."""
    with serving() as port:
        answer = ask(port, f"GET {path} HTTP/1.1\nHost: localhost:{port}")
    assert status_of(answer) == status
    assert answer.endswith(b"\r\n\r\n" + body)


def test_head_is_refused_without_a_body() -> None:
    """HEAD is another method than GET: its answer has the length of the body and no body, and no thread ends in an error."""
    with serving() as port:
        answer = ask(port, "HEAD /metrics HTTP/1.1\nHost: localhost")
    assert status_of(answer) == 405
    assert b"Content-Length: 21\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9464", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.8.8.8:9464", 200),
        ("[::1]:9464", 200),
        ("metrics.internal:9464", 200),
        ("METRICS.internal", 200),
        ("attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("10.0.0.8", 421),
        ("[fe80::1]", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_answered(host: str, status: int) -> None:
    """A web page can have its own name resolved to this address: with a Host that is not known it reads nothing."""
    with serving(hosts=("Metrics.Internal",)) as port:
        assert status_of(ask(port, f"GET /metrics HTTP/1.1\nHost: {host}")) == status


def test_the_host_of_listen_is_known() -> None:
    """The address that it listens on is one of its names; listening on every address, it is the one that was asked."""
    with serving("127.0.0.2:0") as port:
        assert status_of(ask(port, "GET /healthz HTTP/1.1\nHost: 127.0.0.2", "127.0.0.2")) == 200
    with serving("0.0.0.0:0") as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
        assert status_of(ask(port, f"GET /healthz HTTP/1.1\nHost: {own}", own)) == 200
        assert status_of(ask(port, "GET /healthz HTTP/1.1\nHost: 0.0.0.0", own)) == 200
        assert status_of(ask(port, "GET /healthz HTTP/1.1\nHost: 192.0.2.7", own)) == 421


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /metrics HTTP/1.0", 421),
        ("GET /metrics HTTP/1.1", 400),
        ("GET /metrics HTTP/1.1\nHost: localhost\nHost: localhost", 400),
        ("POST /metrics HTTP/1.1\nHost: localhost\nContent-Length: 5", 405),
        ("\x00\x01", 400),
        ("GET /metrics HTTP/1.1\nHost: localhost\nX: " + "x" * 17_000, 431),
        ("GET /metrics HTTP/1.1\nHost: localhost" + "\nX: x" * 4000, 431),
        ("GET /" + "x" * 17_000, 431),
    ],
)
def test_what_is_no_valid_request_is_refused(head: str, status: int) -> None:
    """Line and headers are 16 kB at most together; a request without one Host, or with another method, is refused."""
    with serving() as port:
        # what the server has not read makes the connection end without its answer, on some runs
        assert status_of(ask(port, head)) in {status, 0 if status == 431 else status}
        assert status_of(ask(port, "GET /healthz HTTP/1.1\nHost: localhost")) == 200


def test_a_slow_client_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection lasts a fixed time in all, however often a byte arrives."""
    assert bounded_server.CLIENT_SECONDS == 5
    monkeypatch.setattr(bounded_server, "CLIENT_SECONDS", 0.5)
    clock, over = SystemClock(), threading.Event()
    with serving() as port, socket.create_connection(("127.0.0.1", port)) as client:
        began = clock.monotonic()
        with contextlib.suppress(OSError):
            while clock.monotonic() - began < 10:
                client.sendall(b"G")
                over.wait(0.05)
        assert clock.monotonic() - began < 5


def test_so_many_connections_and_no_more() -> None:
    """At most 32 are served at once; the next one waits until one of them has ended."""
    inside, most, end = threading.Semaphore(0), [0, 0], threading.Event()
    lock = threading.Lock()

    def metrics() -> bytes:
        with lock:
            most[0] += 1
            most[1] = max(most)
        inside.release()
        end.wait(20)
        with lock:
            most[0] -= 1
        return b""

    with serving(metrics=metrics) as port, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)
        ]
        for client in clients:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(32):
            assert inside.acquire(timeout=20)
        assert not inside.acquire(timeout=0.5)
        end.set()
        assert [status_of(received(client)) for client in clients] == [200] * 40
    assert most[1] == 32


def test_huge_headers_take_no_memory() -> None:
    """Thirty connections that send headers without end make the process grow by at most 64 MB together."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.service.measured_endpoints"],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert status_of(ask(port, "GET /metrics HTTP/1.1\nHost: localhost")) == 200
        process.stdin.write("measure\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"

        def flood() -> None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 20) as client,
            ):
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
                for _ in range(20):
                    client.sendall(HUGE_HEADER)

        threads = [threading.Thread(target=flood) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        process.stdin.write("end\n")
        process.stdin.flush()
        growth = int(process.stdout.readline())
    assert growth <= LARGEST_GROWTH


def test_an_address_in_use_is_a_fault_of_the_configuration() -> None:
    """The message names the setting, and the hint says where it stands."""
    with serving() as port, pytest.raises(ConfigurationError, match=r"service\.listen") as refused:
        HttpEndpoints(
            f"127.0.0.1:{port}", (), bytes, lambda: (True, {}), lambda: (True, {}), SystemClock()
        )
    assert "listen in [service]" in refused.value.faults[0].hint
