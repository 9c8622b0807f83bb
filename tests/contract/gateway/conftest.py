from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import ManualClock
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

OpenGateway = Callable[..., StripeGateway]


@pytest.fixture
def clock() -> ManualClock:
    """This machine's clock; Stripe's is another."""
    return ManualClock(datetime(2026, 2, 1, tzinfo=UTC))


@pytest.fixture
def stripe_clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def sandbox(clock: ManualClock, stripe_clock: ManualClock) -> Sandbox:
    """A Stripe with its own time. Its rate limits run on this machine's clock, as real time does."""
    return Sandbox(stripe_clock, rate_clock=clock)


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[SandboxServer]:
    with SandboxServer(sandbox) as running:
        yield running


@pytest.fixture
def open_gateway(server: SandboxServer, clock: ManualClock) -> Iterator[OpenGateway]:
    """Opens gateways to the sandbox; they are closed at the end."""
    with ExitStack() as stack:

        def make(key: str = TEST_KEY, **options: Any) -> StripeGateway:
            settings = {"account": "shop", "clock": clock, "acquire": lambda _: None, **options}
            return stack.enter_context(StripeGateway(key, api_base=server.url, **settings))

        yield make


@pytest.fixture
def gateway(open_gateway: OpenGateway) -> StripeGateway:
    return open_gateway()
