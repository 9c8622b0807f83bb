"""``web``: serves the finance pages, and makes lines for the file of their users."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from reconciler.entrypoints.cli.output import warn, write_line
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.errors import ConfigurationError, ConfigurationFault, UsageError
from reconciler.exit_codes import ExitCode

_SHORTEST_PASSWORD: Final = 12
_MISSING: Final = ConfigurationFault(
    "The finance pages are not installed.", 'Install them with: pip install "reconciler[web]"'
)


class UserRole(StrEnum):
    """What a person may do on the pages."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"


def web(
    context: typer.Context,
    new_user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Ask for a password, and print this person's line for web.users_file. Serve no pages.",
        ),
    ] = None,
    role: Annotated[
        UserRole,
        typer.Option(metavar="viewer|reviewer", help="With --new-user: what the person may do."),
    ] = UserRole.VIEWER,
) -> int:
    """Serve the finance pages until Ctrl-C.

    They read Reconciler's own tables, and never Stripe. The section [web] of the configuration says where, and who may
    see them.
    """
    raise_if_not_installed()
    if new_user is not None:
        return _write_user(new_user, role)
    return _serve(invocation(context))


def raise_if_not_installed() -> None:
    """Raises ConfigurationError if the libraries of the pages are missing."""
    from importlib.util import find_spec

    if any(find_spec(name) is None for name in ("argon2", "jinja2", "starlette", "svg", "uvicorn")):
        raise ConfigurationError((_MISSING,))


def _write_user(name: str, role: UserRole) -> int:
    from getpass import getpass

    from reconciler.entrypoints.web.passwords import new_hash

    if not name.isprintable() or ":" in name or not name.strip() or len(name) > 200:
        raise UsageError(
            "This text cannot be the name of a person.",
            "Write 1 to 200 printable characters, without a colon.",
        )
    # a pipe gives the password as its first line
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < _SHORTEST_PASSWORD:
        raise UsageError(f"The password has fewer than {_SHORTEST_PASSWORD} characters.", "")
    if sys.stdin.isatty() and getpass("Again: ") != password:
        raise UsageError("The two passwords that you typed differ.", "")
    sys.stdout.write(f"{name}:{role.value}:{new_hash(password)}\n")
    return int(ExitCode.DONE)


def _serve(call: Invocation) -> int:
    from reconciler.entrypoints.cli.period_files import write_period_file
    from reconciler.entrypoints.web.server import identification, serve

    settings = call.settings(need_stripe=False, need_table=False)
    who = identification(settings, dict(call.environ), call.clock)
    try:
        serve(
            settings,
            call.clock,
            who,
            write_period_file,
            lambda address: warn(f"The finance pages are at {address}"),
        )
    except KeyboardInterrupt:
        # it is asked to end, and has ended
        write_line("The finance pages have ended.")
    return int(ExitCode.DONE)
