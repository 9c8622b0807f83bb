"""``run``: the service."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Final

import typer

from reconciler.entrypoints.cli.invocation import invocation

UNUSED: Final = ("requests", "pygments", "httpx._main")
"""What Stripe's SDK and httpx import where it is there, for a client that our gateway replaces and a command line that
nobody calls: 7 MB in a process that runs for months."""


def run(context: typer.Context) -> int:
    """Run as a service until it is told to stop.

    Sweeps are made by the clock on every account whose lease is free or becomes so; start it on several machines and
    they share the accounts. SIGTERM ends it after the page in hand, SIGHUP reads the configuration anew. What it may
    change is corrections.mode.
    """
    spared: dict[str, Any] = {name: None for name in UNUSED if name not in sys.modules}
    sys.modules.update(spared)
    from reconciler.entrypoints.service.daemon import Daemon, block_signals

    for name in spared:
        del sys.modules[name]
    block_signals()
    call = invocation(context)
    return int(Daemon(partial(call.settings, need_delivery=True), call.environ, call.clock).run())
