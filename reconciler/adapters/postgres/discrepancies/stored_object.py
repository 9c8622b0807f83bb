"""JSON objects of the database that keep their text, for an export of many rows."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class StoredObject(dict[str, object]):
    """A JSON object. ``text`` is the object as PostgreSQL wrote it, so that a file can hold it without making it anew."""

    __slots__ = ("text",)

    def __init__(self, values: dict[str, object], text: str) -> None:
        super().__init__(values)
        self.text = text


def stored_value(data: bytes | str) -> Any:
    """The value of a JSON text of the database; an object is a ``StoredObject``."""
    text = data if isinstance(data, str) else data.decode()
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        # such as a number that has no exact form in a computer: the standard library takes it
        value = json.loads(text)
    return StoredObject(value, text) if type(value) is dict else value
