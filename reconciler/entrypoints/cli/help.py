"""``help``: explains each kind and reason in plain words, by the text of the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Final

import typer

from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.invocation import PROGRAM
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

TEXT: Final = Path(__file__).with_name("kinds_and_reasons.txt")
"""A copy of docs/reference/kinds-and-reasons.md, because the documentation is not installed."""
_WIDEST: Final = 100
_ROW: Final = re.compile(r"^\| \[?`(\w+)`\]?[^|]*\| (.*) \|$", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def help_(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="A kind or a reason of a discrepancy, such as exhausted."
        ),
    ] = None,
) -> int:
    """Explain a kind or a reason of a discrepancy in plain words. Without one, list them all."""
    text = TEXT.read_text(encoding="utf-8")
    kinds, reasons = kind_texts(text), reason_texts(text)
    if topic is None:
        write_line(f"Kinds: {', '.join(kinds)}.")
        write_line(f"Reasons: {', '.join(reasons)}.")
        write_line(f"{PROGRAM} help KIND explains one. {PROGRAM} --help lists the commands.")
        return int(ExitCode.DONE)

    name = topic.strip().lower().replace("-", "_")
    found = kinds.get(name) or reasons.get(name)
    if found is None:
        close = get_close_matches(name, [*kinds, *reasons], n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"{PROGRAM} help lists them all."
        raise UsageError(f'There is no kind and no reason "{topic[:64]}".', hint)
    for paragraph in found:
        _write_paragraph(paragraph)
    return int(ExitCode.DONE)


def kind_texts(text: str) -> Mapping[str, list[str]]:
    """What the page says of each kind: its row of the table, and its section."""
    cells = _rows(text, "All kinds")
    texts = {}
    for kind in Kind:
        stands, severity, stake, meaning = cells[kind.value]
        section = text.split(f"\n### {kind.value}\n", 1)[1]
        section = re.split(r"\n##", section, maxsplit=1)[0]
        texts[kind.value] = [
            f"{kind.value}: {meaning}.",
            f"Severity: {severity}. Money at stake: {stake}. It stands {stands}.",
            *(_plain(part) for part in section.strip().split("\n\n")),
        ]
    return texts


def reason_texts(text: str) -> Mapping[str, list[str]]:
    """What the page says of each reason: its meaning, and what a person can do."""
    cells = _rows(text, "Reasons")
    texts = {}
    for reason in Reason:
        meaning, advice = cells[reason.value]
        texts[reason.value] = [f"{reason.value}: {meaning}", f"What you can do: {advice}"]
    return texts


def _rows(text: str, section: str) -> Mapping[str, list[str]]:
    """The rows of a section's table by their name, each with its other cells."""
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return {name: _plain(rest).split(" | ") for name, rest in _ROW.findall(part)}


def _plain(text: str) -> str:
    """A paragraph without the signs of Markdown, on one line."""
    return " ".join(_LINK.sub(r"\1", text).replace("`", "").replace("*", "").split())


def _write_paragraph(text: str) -> None:
    width = min(get_terminal_size((_WIDEST, 0)).columns, _WIDEST)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        write_line(line)
    write_line()
