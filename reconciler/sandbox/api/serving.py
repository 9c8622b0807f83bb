"""Running a sandbox in the foreground, for a person with curl or a shop under test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.clock import Clock, SystemClock
from reconciler.sandbox.api.server import SandboxServer
from reconciler.sandbox.faults.faults import Faults
from reconciler.sandbox.faults.rate_limits import SandboxLimits
from reconciler.sandbox.state.sandbox import LIVE_KEY, TEST_KEY, Sandbox
from reconciler.sandbox.state.seeding import fill

DELIVER_EVERY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """What a sandbox begins with. ``webhook_url`` receives every event made after the start, in the keys' modes.

    ``payments`` are spread over the last ``days``. ``keys`` are further full keys of the one account.
    """

    payments: int = 0
    days: float = 30
    seed: int = 0
    livemode: bool = False
    keys: tuple[str, ...] = ()
    webhook_url: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    faults: Faults | None = None


def opened(options: ServingOptions, clock: Clock | None = None) -> Sandbox:
    """A sandbox as the options say, on the machine's clock unless given another."""
    sandbox = Sandbox(
        clock or SystemClock(),
        seed=options.seed,
        limits=options.limits,
        faults=options.faults,
        livemode=options.livemode,
    )
    for key in options.keys:
        sandbox.add_key(key)
    if options.payments:
        fill(sandbox, options.payments, days=options.days, seed=options.seed)
    if options.webhook_url is not None:
        sandbox.register_webhook(options.webhook_url, secret=options.webhook_secret)
    return sandbox


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    options: ServingOptions | None = None,
    sandbox: Sandbox | None = None,
    ready: Callable[[str, str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until ``stop`` is set or the thread is interrupted.

    Args:
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        options: What the sandbox begins with, where none is given.
        sandbox: A sandbox made elsewhere, instead of options.
        ready: Called with the address and a full key once requests are answered.
        stop: Ends it from outside.

    Raises:
        OSError: The port is taken or the address is not this machine's.
    """
    served = sandbox or opened(options or ServingOptions())
    key = LIVE_KEY if served.livemode else TEST_KEY
    with SandboxServer(served, host=host, port=port, deliver_every=DELIVER_EVERY) as server:
        if ready is not None:
            ready(server.url, key)
        (stop or threading.Event()).wait()
