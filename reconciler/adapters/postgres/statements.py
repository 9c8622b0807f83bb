"""The named statements of ``sql/``: one file for each sub-room, each statement under its name and its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from psycopg import sql

from reconciler.adapters import postgres

_HEADING: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


@cache
def templates(room: str) -> Mapping[str, sql.SQL]:
    """The statements of a room by name, with ``{placeholders}`` that psycopg's ``format`` fills with identifiers."""
    text = (files(postgres) / "sql" / f"{room}.sql").read_text(encoding="utf-8")
    _, *parts = _HEADING.split(text)
    return {
        name: sql.SQL(f"-- {name}\n{_without_comments(body)}")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


@cache
def statements(room: str) -> Mapping[str, bytes]:
    """The statements of a room that need no identifiers, ready to be executed. Values are their parameters."""
    return {
        name: template.format().as_bytes(None)
        for name, template in templates(room).items()
        if not _PLACEHOLDER.search(template.as_string(None))
    }


def _without_comments(body: str) -> str:
    """The reasons are for the reader of the file; the server's log shows the statement under its name."""
    lines = body.strip().splitlines()
    while lines and lines[0].startswith("--"):
        del lines[0]
    return "\n".join(lines)
