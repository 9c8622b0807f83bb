"""Every command by its name. A command's modules are imported when it is run: the service needs none of the others'."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

import typer

from reconciler.entrypoints.cli.pager import in_pager

COMMANDS: Final = {
    "demo": "demo:demo",
    "help": "help:help_",
    "init": "init:init",
    "run": "run:run",
    "sweep": "sweep:sweep",
    "plan": "plan:plan",
    "status": "status:status",
    "explain": "explain:explain",
    "sweeps": "sweeps:sweeps",
    "discrepancies": "discrepancies:discrepancies",
    "note": "note:note",
    "assign": "assign:assign",
    "resolve": "resolve:resolve",
    "reopen": "reopen:reopen",
    "revert": "revert:revert",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "export": "export:export",
    "statement": "statement:statement",
    "close": "close:close",
    "verify": "verify:verify",
    "web": "web:web",
    "migrate": "migrate:migrate",
    "doctor": "doctor:doctor",
    "sandbox": "sandbox:sandbox",
    "files": "files:files",
    "completion": "completion:completion",
    "systemd": "systemd:systemd",
    "config": "config:config",
}
"""The module of each command in this folder, and its function or group there; in the order of the help."""
_PAGED: Final = ("discrepancies", "explain", "plan", "sweeps", "doctor")
"""The commands whose answer may be longer than a terminal."""
_SHORT_HELP: Final = {"demo": "Show a complete example on this machine."}


def register(app: typer.Typer, names: Iterable[str]) -> None:
    """Import these commands and add them to ``app``."""
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"{__package__}.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
            continue
        # a long list is read in a pager; what is short, or in a pipe, is not changed
        function = in_pager(found) if name in _PAGED else found
        app.command(name, short_help=_SHORT_HELP.get(name))(function)


def imported(name: str) -> Any:
    """The command of this name, as a group of commands takes it."""
    alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, callback=_nothing)
    register(alone, [name])
    return typer.main.get_group(alone).commands[name]


def _nothing() -> None:
    """A group with a callback stays a group if it has one command."""
