"""Which migrations a database lacks: what every start asks, and needs nothing of what applies them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from reconciler.adapters.postgres.database import connect
from reconciler.adapters.postgres.errors import map_errors
from reconciler.adapters.postgres.statements import statements

_SQL: Final = statements("schema")


def pending(dsn: str) -> tuple[str, ...]:
    """The migrations that the database lacks, in order. Writes nothing; all of them where our schema is not there."""
    names = (path.name for path in (files("reconciler.adapters.postgres") / "migrations").iterdir())
    known = sorted(name.removesuffix(".sql") for name in names if name.endswith(".sql"))
    with map_errors("looking for pending migrations"), connect(dsn) as connection:
        found = connection.execute(_SQL["migrations_table"]).fetchone()
        if found is None or found[0] is None:
            return tuple(known)
        applied = {row[0] for row in connection.execute(_SQL["migrations_applied"])}
        return tuple(name for name in known if name not in applied)
