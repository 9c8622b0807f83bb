from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer

stripe.enable_telemetry = False

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def sandbox(clock: ManualClock) -> Sandbox:
    return Sandbox(clock, rate_clock=ManualClock(START))


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[SandboxServer]:
    with SandboxServer(sandbox) as running:
        yield running


@pytest.fixture
def client_for(server: SandboxServer) -> Iterator[Callable[..., stripe.StripeClient]]:
    """Clients of the official SDK by key, closed at the end."""
    opened: list[stripe.RequestsClient] = []

    def make(key: str = TEST_KEY, **options: str) -> stripe.StripeClient:
        http_client = stripe.RequestsClient(timeout=(3, 10))
        opened.append(http_client)
        return stripe.StripeClient(
            key, base_addresses={"api": server.url}, http_client=http_client, **options
        )

    yield make
    for http_client in opened:
        http_client.close()


@pytest.fixture
def client(client_for: Callable[..., stripe.StripeClient]) -> stripe.StripeClient:
    return client_for()


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    """A plain HTTP client with the test key. It reads no certificates: the server has none, and reading takes 30 ms."""
    with httpx.Client(
        base_url=server.url,
        headers={"Authorization": f"Bearer {TEST_KEY}"},
        timeout=10,
        verify=False,
    ) as plain:
        yield plain
