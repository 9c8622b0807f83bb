"""JSON objects of the database that keep their text, for an export of many rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class StoredObject(Mapping[str, object]):
    """A JSON object. ``text`` is the object as PostgreSQL wrote it, so that a file can hold it without making it anew.

    It is read when a value is asked for: an export needs few of them.
    """

    __slots__ = ("_values", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, object] | None = None

    @property
    def values_of_text(self) -> dict[str, object]:
        """The values that the text has."""
        if self._values is None:
            self._values = _decoded(self.text)
        return self._values

    def __getitem__(self, name: str) -> object:
        return self.values_of_text[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_of_text)

    def __len__(self) -> int:
        return len(self.values_of_text)


def stored_value(data: bytes | str) -> Any:
    """The value of a JSON text of the database; an object is a ``StoredObject``."""
    text = data if isinstance(data, str) else data.decode()
    return StoredObject(text) if text.startswith("{") else _decoded(text)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        # such as a number that has no exact form in a computer: the standard library takes it
        return json.loads(text)
