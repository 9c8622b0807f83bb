"""``help``: explains each kind, reason and cause in plain words, by the text of the documentation."""

from __future__ import annotations

import textwrap
from difflib import get_close_matches
from shutil import get_terminal_size
from typing import Annotated, Final

import typer

from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.explained_kinds import (
    cause_texts,
    kind_texts,
    page_text,
    reason_texts,
)
from reconciler.entrypoints.invocation import PROGRAM
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

_WIDEST: Final = 100


def help_(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help="A kind, a reason or a cause of a discrepancy, such as exhausted.",
        ),
    ] = None,
) -> int:
    """Explain a kind, a reason or a cause of a discrepancy in plain words. Without one, list them all."""
    text = page_text()
    kinds, reasons, causes = kind_texts(text), reason_texts(text), cause_texts(text)
    if topic is None:
        write_line(f"Kinds: {', '.join(kinds)}.")
        write_line(f"Reasons: {', '.join(reasons)}.")
        write_line(f"Causes: {', '.join(causes)}.")
        write_line(f"{PROGRAM} help KIND explains one. {PROGRAM} --help lists the commands.")
        return int(ExitCode.DONE)

    name = topic.strip().lower().replace("-", "_")
    found = kinds.get(name) or reasons.get(name) or causes.get(name)
    if found is None:
        close = get_close_matches(name, [*kinds, *reasons, *causes], n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"{PROGRAM} help lists them all."
        raise UsageError(f'There is no kind, reason or cause "{topic[:64]}".', hint)
    for paragraph in found:
        _write_paragraph(paragraph)
    return int(ExitCode.DONE)


def _write_paragraph(text: str) -> None:
    width = min(get_terminal_size((_WIDEST, 0)).columns, _WIDEST)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        write_line(line)
    write_line()
