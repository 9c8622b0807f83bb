"""The SQL files of this folder, each one statement with a name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from psycopg import sql


@cache
def template(name: str) -> sql.SQL:
    """A statement with ``{placeholders}`` for identifiers and expressions, to be filled by psycopg's ``format``."""
    text = (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return sql.SQL(text)


@cache
def statement(name: str) -> bytes:
    """A statement on our own tables, as it stands. Values are its parameters."""
    return template(name).format().as_bytes(None)
