"""The entry point of ``python -m reconciler`` and of the installed command ``reconciler``."""

from __future__ import annotations

import sys

from reconciler.entrypoints.cli.app import run, terminate_like_interrupt
from reconciler.settings import current_environment
from reconciler.wiring.stop_signal import watch_stop_signals


def main() -> None:
    """Run the process's command line, and end the process with its exit code."""
    terminate_like_interrupt()
    watch_stop_signals()
    sys.exit(run(sys.argv[1:], current_environment()))


if __name__ == "__main__":
    main()
