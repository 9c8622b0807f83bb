"""Each kind and reason in plain words, by the text of the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler.domain.findings.discrepancy import Cause, Kind, Reason

TEXT: Final = Path(__file__).with_name("kinds_and_reasons.txt")
"""A copy of docs/reference/kinds-and-reasons.md, because the documentation is not installed."""
_ROW: Final = re.compile(r"^\| \[?`(\w+)`\]?[^|]*\| (.*) \|$", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def page_text() -> str:
    """The page of the documentation."""
    return TEXT.read_text(encoding="utf-8")


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
            f"Severity: {severity}. Money at stake: {stake}. For a row and its PaymentIntent, this kind stands {stands}.",
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


def cause_texts(text: str) -> Mapping[str, list[str]]:
    """What the page says of each cause: its meaning, and how much is known of causes."""
    cells = _rows(text, "Causes")
    about = text.split("\n## Causes\n", 1)[1].strip().split("\n\n", 1)[0]
    return {
        cause.value: [f"{cause.value}: {cells[cause.value][0]}", _plain(about)] for cause in Cause
    }


def _rows(text: str, section: str) -> Mapping[str, list[str]]:
    """The rows of a section's table by their name, each with its other cells."""
    part = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return {name: _plain(rest).split(" | ") for name, rest in _ROW.findall(part)}


def _plain(text: str) -> str:
    """A paragraph without the signs of Markdown, on one line."""
    return " ".join(_LINK.sub(r"\1", text).replace("`", "").replace("*", "").split())
