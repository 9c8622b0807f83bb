from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import ManualClock
from tests.unit.gateway.canned_server import CannedServer, HookCalls, Reply, ReplyTo, gateway_to


@dataclass(frozen=True)
class Served:
    """A gateway, the server that it reads, and the calls of its hooks."""

    gateway: StripeGateway
    server: CannedServer
    hook_calls: HookCalls


Serve = Callable[..., Served]


@pytest.fixture
def serve(clock: ManualClock) -> Iterator[Serve]:
    """Starts a server with these replies and opens a gateway to it; both are closed at the end."""
    with ExitStack() as stack:

        def make(*replies: Reply | ReplyTo, **options: Any) -> Served:
            server = stack.enter_context(CannedServer(*replies))
            hook_calls = HookCalls()
            gateway = gateway_to(server.url, clock, hook_calls, **options)
            stack.callback(gateway.close)
            return Served(gateway, server, hook_calls)

        yield make
