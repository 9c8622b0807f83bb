"""The entry point of ``python -m reconciler`` and of the installed command ``reconciler``."""

from __future__ import annotations

import sys

# reads nothing but this file: Ctrl-C from here on must not end in a traceback
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

INTERRUPTED = 130
"""The exit code that a shell shows for a program that was ended by SIGINT."""
CONFIGURATION = 78
"""The exit code for an installation that cannot work; ``exit_codes`` may not be readable then."""
LEAST_PYTHON = (3, 11)
UNUSED = ("requests", "pygments", "httpx._main")
"""Modules that Stripe's SDK and httpx import if they are installed, and that Reconciler does not use: another HTTP client and
httpx's command line. Without them a process that runs for months is 7 MB smaller."""


def _end_interrupted() -> NoReturn:
    sys.stderr.write("reconciler: interrupted.\n")
    sys.exit(INTERRUPTED)


def _end_unusable(what: str, hint: str) -> NoReturn:
    sys.stderr.write("reconciler: " + what + "\nhint: " + hint + "\n")
    sys.exit(CONFIGURATION)


def _end_without_package(error: ImportError) -> NoReturn:
    # psycopg says so if neither its own libpq nor the machine's can be loaded
    _end_unusable(
        "Reconciler cannot load a package that it needs: " + " ".join(str(error).split()),
        "Install the packages of requirements.lock again. If psycopg finds no libpq, install PostgreSQL's client library"
        " (Debian: libpq5). docs/how-to/install.md has more.",
    )


# pip refuses an older Python, and a copied folder does not
if sys.version_info < LEAST_PYTHON:
    _end_unusable(
        "this is Python " + sys.version.split()[0] + ", and Reconciler needs 3.11 or later.",
        "Install Reconciler into a virtual environment of a newer Python: docs/how-to/install.md.",
    )

try:
    from reconciler.interrupted import (
        end_undisturbed,
        keep_exit_code,
        raise_on_interrupt,
        raise_on_termination,
    )

    raise_on_interrupt()
    from reconciler.unused_imports import kept_out

    # nearly every command needs an account, and a missing driver of the database is named before anything else
    with kept_out(*UNUSED):
        import reconciler.wiring.account  # noqa: F401
    from reconciler.entrypoints.cli.app import run
    from reconciler.settings import current_environment
    from reconciler.wiring.stop_signal import watch_stop_signals
except KeyboardInterrupt:
    _end_interrupted()
except ImportError as error:
    _end_without_package(error)


def main() -> None:
    """Run the process's command line, and end the process with its exit code."""
    try:
        raise_on_termination()
        watch_stop_signals()
        code = run(sys.argv[1:], current_environment())
        keep_exit_code()
    except KeyboardInterrupt:
        end_undisturbed()
        _end_interrupted()
    except ImportError as error:
        # a command's modules are imported when it is run
        _end_without_package(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
