"""The entry point of ``python -m reconciler`` and of the installed command ``reconciler``."""

from __future__ import annotations

import sys
from typing import NoReturn

INTERRUPTED = 130
"""The exit code that a shell shows for a program that was ended by SIGINT."""


def _end_interrupted() -> NoReturn:
    sys.stderr.write("reconciler: interrupted.\n")
    sys.exit(INTERRUPTED)


try:
    # Ctrl-C while the modules are read must not end in a traceback
    from reconciler.entrypoints.cli.app import run, terminate_like_interrupt
    from reconciler.settings import current_environment
    from reconciler.wiring.stop_signal import watch_stop_signals
except KeyboardInterrupt:
    _end_interrupted()


def main() -> None:
    """Run the process's command line, and end the process with its exit code."""
    try:
        terminate_like_interrupt()
        watch_stop_signals()
        code = run(sys.argv[1:], current_environment())
    except KeyboardInterrupt:
        _end_interrupted()
    sys.exit(code)


if __name__ == "__main__":
    main()
