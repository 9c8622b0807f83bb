"""``python -m reconciler`` and the installed command."""

from __future__ import annotations

import sys

from reconciler.entrypoints.cli.app import run, terminate_like_interrupt
from reconciler.settings import current_environment


def main() -> None:
    """Carry out the command line that this process was started with, and end with its exit code."""
    terminate_like_interrupt()
    sys.exit(run(sys.argv[1:], current_environment()))


if __name__ == "__main__":
    main()
