from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from reconciler.clock import ManualClock, SystemClock
from reconciler.sandbox import (
    TEST_KEY,
    Sandbox,
    SandboxServer,
    fill,
    prepared,
)

HEADERS = {"Authorization": f"Bearer {TEST_KEY}"}


def test_keep_alive(server: SandboxServer) -> None:
    """One connection carries many requests, including those that end with an error."""
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as wire:  # type: ignore[arg-type]
        reader = wire.makefile("rb")
        for target, status in (
            ("/v1/account", b"200"),
            ("/v1/nope", b"404"),
            ("/v1/events", b"200"),
        ):
            wire.sendall(
                f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TEST_KEY}\r\n\r\n".encode()
            )
            assert reader.readline().split()[1] == status
            length = 0
            while (line := reader.readline().strip()) != b"":
                name, _, value = line.partition(b": ")
                length = int(value) if name == b"Content-Length" else length
            assert len(reader.read(length)) == length
        reader.close()


def test_stops_with_open_connections(sandbox: Sandbox) -> None:
    """Stopping closes unused connections and leaves no thread behind. A stopped server has no address."""
    before = set(threading.enumerate())
    server = SandboxServer(sandbox).start()
    with httpx.Client(base_url=server.url, headers=HEADERS) as client:
        client.get("/v1/account")
        server.stop()
        server.stop()
        with pytest.raises(httpx.TransportError):
            client.get("/v1/account")
    assert set(threading.enumerate()) <= before
    with pytest.raises(RuntimeError, match="start it first"):
        _ = server.url


def test_parallel_readers(server: SandboxServer, sandbox: Sandbox, clock: ManualClock) -> None:
    """Parallel readers all get whole pages while payments are created."""
    sandbox.load(prepared(300, since=clock.now() - timedelta(days=1), until=clock.now()))
    seen: list[int] = []

    def read() -> None:
        with httpx.Client(base_url=server.url, headers=HEADERS) as client:
            for _ in range(10):
                page = client.get(
                    "/v1/payment_intents?limit=100&expand[]=data.latest_charge"
                ).json()
                seen.append(len(page["data"]))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        sandbox.succeed(sandbox.create_payment(100).id)
    for thread in threads:
        thread.join()
    assert seen == [100] * 40


def test_malformed_length(server: SandboxServer) -> None:
    """A Content-Length that is not a number is a 400, not a broken server."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(b"POST /v1/refunds HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
        assert b" 400 " in wire.recv(1000)


def test_a_server_delivers_webhooks(clock: ManualClock) -> None:
    """A server with deliver_every delivers due webhooks by itself."""
    sandbox = Sandbox(clock, rate_clock=SystemClock())
    arrived = threading.Event()
    sandbox.register_webhook(lambda _payload, _headers: arrived.set() or 200)
    with SandboxServer(sandbox, deliver_every=0.001):
        sandbox.create_payment(100)
        assert arrived.wait(10)


def test_seeded_payments_are_in_the_past() -> None:
    """Seeded payments and all their events are in the days before now. The same seed creates the same payments."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    sandbox, again = filled_sandbox(now), filled_sandbox(now)
    assert list(sandbox.intents()) == list(again.intents())
    assert len({intent.status for intent in sandbox.intents()}) == 7
    first = min(event.created for event in sandbox.events())
    last = max(event.created for event in sandbox.events())
    assert (now - timedelta(days=10, minutes=1)).timestamp() < first
    assert last <= now.timestamp()


def filled_sandbox(now: datetime) -> Sandbox:
    sandbox = Sandbox(ManualClock(now), seed=3)
    fill(sandbox, 200, days=10, seed=3)
    return sandbox
