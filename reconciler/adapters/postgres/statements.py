"""The named statements of ``sql/``: one file for each sub-folder, each statement under its name and its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from psycopg import sql

from reconciler.adapters import postgres

_HEADING: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


def _templates(text: str) -> Mapping[str, sql.SQL]:
    """The statements of one file, by name."""
    _, *parts = _HEADING.split(text)
    return {
        name: sql.SQL(f"-- {name}\n{_without_comments(body)}")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _without_comments(body: str) -> str:
    """A statement without the reason above it; the server's log shows it under its name alone."""
    lines = body.strip().splitlines()
    while lines and lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines)


TEMPLATES: Final[Mapping[str, Mapping[str, sql.SQL]]] = {
    file.name.removesuffix(".sql"): _templates(file.read_text(encoding="utf-8"))
    for file in (files(postgres) / "sql").iterdir()
}
"""Every statement by folder and name, with ``{placeholders}`` that psycopg's ``format`` fills with identifiers."""

STATEMENTS: Final[Mapping[str, Mapping[str, bytes]]] = {
    folder: {
        name: template.format().as_bytes(None)
        for name, template in templates.items()
        if not _PLACEHOLDER.search(template.as_string(None))
    }
    for folder, templates in TEMPLATES.items()
}
"""Every statement that needs no identifiers, by folder and name, ready to be executed with its parameters."""
