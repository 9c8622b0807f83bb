"""A pager for what is longer than the terminal."""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Final, TextIO

import typer

from reconciler.entrypoints.invocation import invocation

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def in_pager(command: Callable[..., int]) -> Callable[..., int]:
    """The command, with what it writes to a terminal shown in a pager if it is long."""

    @functools.wraps(command)
    def run(context: typer.Context, *arguments: object, **options: object) -> int:
        with paged(invocation(context).environ):
            return command(context, *arguments, **options)

    return run


class _PagedText(io.StringIO):
    """Takes what is written to a terminal."""

    def __init__(self, terminal: TextIO) -> None:
        super().__init__()
        self.of_terminal = terminal

    def isatty(self) -> bool:
        """Tables are drawn as for the terminal itself."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the terminal."""
        return self.of_terminal.encoding


@contextmanager
def paged(environ: Mapping[str, str]) -> Iterator[None]:
    """Show what is written during the block in the pager that PAGER names, if it is longer than the terminal.

    Without a terminal nothing changes. Colours stay only if LESS says that less may show them (such as LESS=-FRX), for
    any other pager shows their codes.
    """
    terminal = sys.stdout
    if not (terminal.isatty() and sys.stdin is not None and sys.stdin.isatty()):
        yield
        return
    text = _PagedText(terminal)
    sys.stdout = text
    try:
        yield
    finally:
        sys.stdout = terminal
        _show(text.getvalue(), terminal, environ)


def _show(text: str, terminal: TextIO, environ: Mapping[str, str]) -> None:
    _, height = get_terminal_size()
    if text.count("\n") < height or environ.get("PAGER") == "cat":
        terminal.write(text)
        return
    from rich.pager import SystemPager

    terminal.flush()
    keeps_colour = "R" in environ.get("LESS", "").upper()
    SystemPager().show(text if keeps_colour else _COLOUR.sub("", text))
