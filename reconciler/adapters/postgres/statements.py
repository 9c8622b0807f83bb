"""The named statements of ``sql/``: one file for each sub-folder, each statement under its name and its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final

from psycopg import sql

from reconciler.adapters import postgres
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.masking import map_texts, may_hold_secret, storable

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


def stored_json(value: object) -> str:
    """The canonical JSON of a value, without secrets. Raises TypeError for a value that has no canonical form."""
    return stored_jsons((value,))[0]


def stored_jsons(values: Iterable[object]) -> list[str]:
    """The canonical JSON of each value, as ``stored_json`` makes it."""
    texts = []
    for value in values:
        text = canonical_json(value)
        # a secret is rare, and to search each value for one is slow
        texts.append(canonical_json(map_texts(value, storable)) if may_hold_secret(text) else text)
    return texts


def stored_texts(texts: Iterable[str | None]) -> list[str | None]:
    """Each text without secrets."""
    return [None if text is None else storable(text) for text in texts]
