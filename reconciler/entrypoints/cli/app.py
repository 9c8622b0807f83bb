"""The command line: it finds the command, and turns its result or error into an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]
from typer.core import TyperGroup

from reconciler import log
from reconciler.entrypoints.cli.commands import COMMANDS, imported
from reconciler.entrypoints.cli.output import takes_ascii_only, warn, warn_of_error
from reconciler.entrypoints.invocation import COMPLETE_VARIABLE, PROGRAM, Invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import JOURNAL_VARIABLE
from reconciler.wiring.stop_signal import INTERRUPTED

READER_CLOSED: Final = 141
"""The exit code that a shell shows for a program that was ended by SIGPIPE."""
_CANNOT_WRITE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
"""What the system answers if standard output is on a full disk, or is closed."""
GLOBAL_OPTIONS: Final = ("--config", "--log-level", "--quiet", "--verbose", "--version")


class LogLevel(StrEnum):
    """The lowest severity that is written to the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Program(TyperGroup):
    """The group of commands, each imported when it is asked for.

    If the reader of its output ends (``| head``), it ends without a message.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        self._import(COMMANDS)
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # a name that is none of them is compared with every one, for a hint
        self._import([cmd_name] if cmd_name in COMMANDS else COMMANDS)
        return super().get_command(ctx, cmd_name)

    def _import(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.commands:
                self.commands[name] = imported(name)

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            warn(f"{PROGRAM}: interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(READER_CLOSED) from None
        except OSError as error:
            # a file that the program opened has a name, and standard output has none
            if error.filename is not None or error.errno not in _CANNOT_WRITE:
                raise
            _discard_output()
            raise OutputError(
                f"The result could not be written ({error.strerror}).",
                "Write the output to a disk with free space. What the command recorded in the database is not lost.",
            ) from None
        return result


def _discard_output() -> None:
    # the interpreter flushes standard output at its end, and would report the same error again
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class OutputError(ReconcilerError):
    """Standard output cannot be written."""


app = typer.Typer(
    name=PROGRAM,
    cls=Program,
    help="Find payments that lost their Stripe webhooks, and correct your PostgreSQL rows.",
    epilog="Exit codes: 0 done and complete; 1 a check failed, or the sides disagree; 64 wrong "
    "command line; 75 Stripe or the database is "
    "unavailable, or the sweep is not complete; 78 wrong configuration, key or privilege.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(value: bool) -> None:
    if not value:
        return
    from reconciler.program_version import program_version

    sys.stdout.write(f"{program_version()}\n")
    raise typer.Exit


@app.callback()
def program(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The configuration file.  [default: $RECONCILER_CONFIG, else reconciler.toml in "
            "this folder, else /etc/reconciler/reconciler.toml]",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            metavar="LEVEL",
            help="Log messages of this level and above to standard error: debug, info, warning or error.  "
            "[default: warning; info for run]",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            help="Write only errors to standard error. Leave out progress, notices and log warnings.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="Log each page and each failed read, as --log-level info does."
        ),
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback shows the version
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Read the options that stand before the command."""
    environ: Mapping[str, str] = context.obj
    # the service is read in the journal later; a person at a terminal wants the result only
    default = LogLevel.INFO if context.invoked_subcommand == "run" else LogLevel.WARNING
    if quiet and verbose:
        raise UsageError(
            "--quiet and --verbose contradict each other.", "Use one of the two options."
        )
    if quiet or verbose:
        default = LogLevel.ERROR if quiet else LogLevel.INFO
    log.configure(
        (log_level or default).value, sys.stderr, journal_stream=environ.get(JOURNAL_VARIABLE)
    )
    context.obj = Invocation(environ, config, quiet=quiet)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command line and return its exit code. An error is on standard error, with a hint."""
    _accept_any_character()
    if COMPLETE_VARIABLE in environ:
        # a shell asks what may come next; typer's own classes answer it
        completion_init()
    # Python reads bytes that are not UTF-8 as halves of characters, which no database and no file of JSON takes
    if not all(_is_text(argument) for argument in arguments):
        warn(f"{PROGRAM}: an argument is not text in UTF-8.")
        warn(f"hint: See: {PROGRAM} --help")
        return int(ExitCode.USAGE)
    command = _program()
    # standalone mode would exit the process itself, with its own exit code 2 for a wrong command line
    try:
        result = command.main(
            list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=environ
        )
    except ReconcilerError as error:
        warn_of_error(error)
        return int(error.exit_code)
    except typer.TyperException as error:
        _show_usage_error(error)
        return int(ExitCode.USAGE)

    # --help and --version return no exit code
    return result if isinstance(result, int) else int(ExitCode.DONE)


@cache
def _program() -> Any:
    # a process that runs many command lines, as the tests do, builds the tree of commands once
    return typer.main.get_command(app)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _accept_any_character() -> None:
    """Let standard output and error take every character, also without a UTF-8 locale, and also if they are closed."""
    # a stream that was closed before the program began is None
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and takes_ascii_only(stream):
            stream.reconfigure(errors="backslashreplace")


def _show_usage_error(error: typer.TyperException) -> None:
    """What is wrong with the command line, and on a line of its own how to see what is right."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    hint = f"See: {context.command_path} --help" if context is not None else ""

    # without a command, typer's message is the whole help
    if message.startswith("Usage:"):
        for line in message.splitlines():
            warn(line)
        return

    option = getattr(error, "option_name", None)
    if option in GLOBAL_OPTIONS:
        message = f"{option} must stand before the command."
        hint = f"Write: {PROGRAM} {option} … COMMAND"
    # typer puts each choice on a line of its own, behind a tab
    warn(f"{PROGRAM}: {' '.join(message.split())}")
    if hint:
        warn(f"hint: {hint}")
