"""Lists of plain texts as PostgreSQL's arrays: every page of a sweep sends some hundreds of ids several times."""

from __future__ import annotations

from typing import Any

from psycopg.abc import Buffer
from psycopg.types.array import ListDumper


class TextArrayDumper(ListDumper):
    """psycopg's dumper of lists, with a shorter way for a list of ASCII texts.

    psycopg looks at each element alone, which costs a tenth of a sweep's CPU.
    """

    def dump(self, obj: list[Any]) -> Buffer | None:
        """The array's text."""
        try:
            joined = '","'.join(obj)
        except TypeError:
            # numbers, NULL or lists in the list
            return super().dump(obj)
        if not obj or "\0" in joined or not joined.isascii() or type(obj[0]) is not str:
            return super().dump(obj)
        if "\\" in joined or joined.count('"') != 2 * (len(obj) - 1):
            escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in obj]
            joined = '","'.join(escaped)
        return b'{"' + joined.encode() + b'"}'
