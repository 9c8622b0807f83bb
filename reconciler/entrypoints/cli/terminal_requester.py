"""The person at the terminal, as a sweep reaches them: notices, a question, and the lines of the report."""

from __future__ import annotations

import sys

from reconciler.engine.report import ReportLine
from reconciler.entrypoints.cli.output import warn
from reconciler.entrypoints.cli.preview import PreviewWriter
from reconciler.entrypoints.cli.progress import ProgressDisplay
from reconciler.entrypoints.invocation import PROGRAM

_YES = {"y", "yes"}


def can_ask() -> bool:
    """Whether a person at a terminal can read a question and answer it."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


class TerminalRequester:
    """Reaches the person through standard error and standard input."""

    def __init__(self, account: str, display: ProgressDisplay, preview: PreviewWriter) -> None:
        self._account = account
        self._display = display
        self._preview = preview
        self.was_asked = False
        self.wants_every_line = preview.writes_lines

    def tell(self, text: str) -> None:
        """Write a notice to standard error."""
        with self._display.paused():
            warn(f"{PROGRAM}: {text}")

    def confirms(self, question: str) -> bool:
        """Ask on a terminal, and wait for the answer. Anywhere else the answer is no."""
        if not can_ask():
            return False
        self.was_asked = True
        with self._display.paused():
            sys.stderr.write(f"{question} [y/N] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() in _YES

    def take_line(self, line: ReportLine) -> None:
        """Write the line, if the output format writes lines at once."""
        self._preview.take(self._account, line)
