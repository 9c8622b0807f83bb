"""The command line: its commands put together, and how every one of them ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from reconciler import log
from reconciler.entrypoints.cli.demo import demo
from reconciler.entrypoints.cli.discrepancies import discrepancies
from reconciler.entrypoints.cli.doctor import doctor
from reconciler.entrypoints.cli.explain import explain
from reconciler.entrypoints.cli.export import export
from reconciler.entrypoints.cli.invocation import PROGRAM, Invocation
from reconciler.entrypoints.cli.migrate import migrate
from reconciler.entrypoints.cli.output import warn, warn_of
from reconciler.entrypoints.cli.plan import plan
from reconciler.entrypoints.cli.resolve import resolve
from reconciler.entrypoints.cli.revert import revert
from reconciler.entrypoints.cli.run import run as run_service
from reconciler.entrypoints.cli.sandbox import sandbox
from reconciler.entrypoints.cli.status import status
from reconciler.entrypoints.cli.sweep import sweep
from reconciler.entrypoints.cli.verify import verify
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.settings import JOURNAL_VARIABLE

INTERRUPTED: Final = 130
READER_LEFT: Final = 141
"""What a shell shows for a program that SIGINT or SIGPIPE has ended."""
GLOBAL_OPTIONS: Final = ("--config", "--log-level", "--version")


class LogLevel(StrEnum):
    """From which severity on the log is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Program(TyperGroup):
    """The group of commands. A reader that goes away (``| head``) ends it in silence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            warn(f"{PROGRAM}: interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # what is still buffered has nobody to go to, and the interpreter would complain of it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(READER_LEFT) from None
        return result


app = typer.Typer(
    name=PROGRAM,
    cls=Program,
    help="Find and repair the payments whose Stripe webhooks were lost.",
    epilog="Exit codes: 0 done and complete; 1 the answer is no; 64 usage; 75 not reachable or not complete; "
    "78 configuration or key.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(value: bool) -> None:
    if not value:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version(PROGRAM)
    except PackageNotFoundError:
        number = "(not installed)"
    sys.stdout.write(f"{PROGRAM} {number}\n")
    raise typer.Exit


@app.callback()
def program(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The configuration file; otherwise $RECONCILER_CONFIG, ./reconciler.toml or "
            "/etc/reconciler/reconciler.toml.",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            metavar="LEVEL",
            help="debug, info, warning or error; the log goes to standard error.  "
            "[default: warning; info for run]",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Take the options before the command."""
    environ: Mapping[str, str] = context.obj
    usual = LogLevel.INFO if context.invoked_subcommand == "run" else LogLevel.WARNING
    log.configure(
        (log_level or usual).value, sys.stderr, journal_stream=environ.get(JOURNAL_VARIABLE)
    )
    context.obj = Invocation(environ, config)


app.command(short_help="Watch it work, all of it on this machine.")(demo)
for _command in (
    run_service,
    sweep,
    plan,
    status,
    explain,
    discrepancies,
    resolve,
    revert,
    export,
    verify,
    migrate,
    doctor,
    sandbox,
):
    app.command()(_command)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carry out one command line; returns its exit code. What went wrong stands on standard error, in words."""
    command = typer.main.get_command(app)
    try:
        result = command.main(
            list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=environ
        )
    except ReconcilerError as error:
        warn_of(error)
        return int(error.exit_code)
    except typer.TyperException as error:
        _tell_usage(error)
        return int(ExitCode.USAGE)
    return result if isinstance(result, int) else int(ExitCode.DONE)


def terminate_like_interrupt() -> None:
    """Let SIGTERM end a command as Ctrl-C does: what is in hand is put away, and a sweep still reports."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _tell_usage(error: typer.TyperException) -> None:
    message = error.format_message().replace("Value error, ", "")
    option = getattr(error, "option_name", None)
    if option in GLOBAL_OPTIONS:
        message = f"{option} stands before the command: {PROGRAM} {option} … COMMAND"
    context = getattr(error, "ctx", None)
    for line in message.splitlines():
        warn(line if message.startswith("Usage:") else f"{PROGRAM}: {line}")
    if context is not None and not message.startswith("Usage:"):
        warn(f"Try: {context.command_path} --help")
