"""``run``: the service."""

from __future__ import annotations

import typer

from reconciler.entrypoints.cli.invocation import invocation


def run(context: typer.Context) -> int:
    """Run as a service until it is told to stop.

    Passes are made by the clock on every account whose lease is free or becomes so; start it on several machines and
    they share the accounts. SIGTERM ends it after the page in hand, SIGHUP reads the configuration anew. What it may
    change is corrections.mode.
    """
    from reconciler.entrypoints.service.daemon import Daemon, block_signals

    block_signals()
    call = invocation(context)
    return int(Daemon(call.settings, call.environ, call.clock).run())
