"""One call of the program: its environment, the options before the command, and who called."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from reconciler.clock import Clock, SystemClock
from reconciler.entrypoints.login_user import login_user
from reconciler.settings import Settings, load

PROGRAM = "reconciler"
COMPLETE_VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
"""The variable by which a shell's script asks the program what may come next."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command starts with. ``config`` is the file of --config; ``quiet`` leaves out progress and notices."""

    environ: Mapping[str, str]
    config: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    quiet: bool = False

    def settings(
        self, *, need_stripe: bool = True, need_table: bool = True, need_delivery: bool = False
    ) -> Settings:
        """The settings, with the parts that the command needs. Raises ConfigurationError with every fault."""
        return load(
            self.config,
            self.environ,
            need_stripe=need_stripe,
            need_table=need_table,
            need_delivery=need_delivery,
        )

    @property
    def asked_by(self) -> str:
        """Who asks, as the ledger stores it: user@machine, as the operating system knows the user."""
        return f"{login_user()}@{socket.gethostname()}"


def invocation(context: typer.Context) -> Invocation:
    """The invocation of the current command."""
    found = context.find_object(Invocation)
    if found is None:
        raise TypeError("a bug in Reconciler: the command was started without its settings")
    return found
