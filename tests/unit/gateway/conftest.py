from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import ManualClock
from tests.unit.gateway.canned import Behaviour, CannedServer, Ledger, Reply, gateway_to


@dataclass(frozen=True)
class Rig:
    """A gateway, the server it speaks to, and what it told its hooks."""

    gateway: StripeGateway
    server: CannedServer
    ledger: Ledger


Rigging = Callable[..., Rig]


@pytest.fixture
def rig(clock: ManualClock) -> Iterator[Rigging]:
    """Makes a gateway to a server with these replies; both are closed at the end."""
    with ExitStack() as stack:

        def make(*replies: Reply | Behaviour, **options: Any) -> Rig:
            server = stack.enter_context(CannedServer(*replies))
            ledger = Ledger()
            gateway = gateway_to(server.url, clock, ledger, **options)
            stack.callback(gateway.close)
            return Rig(gateway, server, ledger)

        yield make
