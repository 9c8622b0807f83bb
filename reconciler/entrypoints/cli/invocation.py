"""One call of the program: who called, with which options before the command, in which environment."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import typer

from reconciler.clock import Clock, SystemClock
from reconciler.settings import Settings, load

PROGRAM = "reconciler"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command needs to begin."""

    environ: Mapping[str, str]
    config: Path | None = None
    clock: Clock = field(default_factory=SystemClock)

    def settings(
        self, *, need_stripe: bool = True, need_table: bool = True, need_delivery: bool = False
    ) -> Settings:
        """The configuration, with what the command needs of it. Raises ConfigurationError with every fault."""
        return load(
            self.config,
            self.environ,
            need_stripe=need_stripe,
            need_table=need_table,
            need_delivery=need_delivery,
        )

    @property
    def asked_by(self) -> str:
        """Who asks, as the ledger keeps it: the person behind sudo where there is one, and the machine."""
        user = self.environ.get("SUDO_USER") or _user_name()
        return f"{user}@{socket.gethostname()}"


def invocation(context: typer.Context) -> Invocation:
    """The invocation that the options before the command have made."""
    found = context.find_object(Invocation)
    if found is None:
        raise TypeError("a command was called without the program around it")
    return found


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # a container may run under a number that has no name
        return f"uid-{os.getuid()}"
