"""``run``: starts the service."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from reconciler.entrypoints.invocation import invocation
from reconciler.log import set_format
from reconciler.settings import JOURNAL_VARIABLE


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


def run(
    context: typer.Context,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            metavar="text|json",
            help="How the log is written.  [default: text on a terminal, else json]",
        ),
    ] = None,
) -> int:
    """Run as a service until it is stopped.

    It makes sweeps on a schedule, for every account whose lease is free. Several machines that run it share the
    accounts. corrections.mode says whether it may change rows. SIGTERM ends it after the current page; SIGHUP reloads
    the configuration.
    """
    from reconciler.entrypoints.service.daemon import Daemon, block_signals

    block_signals()
    call = invocation(context)
    if log_format is not None:
        journal = call.environ.get(JOURNAL_VARIABLE)
        set_format(sys.stderr, journal_stream=journal, is_text=log_format is LogFormat.TEXT)
    return int(Daemon(partial(call.settings, need_delivery=True), call.environ, call.clock).run())
