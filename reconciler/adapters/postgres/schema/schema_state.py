"""What state the schema reconciler is in: which migrations it has, and what this role may do there.

Every command asks this when it starts, so it needs nothing of what applies migrations.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from reconciler.adapters.postgres.database import Database, connect, map_errors
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["schema"]


@dataclass(frozen=True, slots=True)
class SchemaAccess:
    """Whether the schema exists, may be read, and may be written as a sweep writes it."""

    exists: bool
    may_read: bool
    may_write: bool


def schema_access(database: Database) -> SchemaAccess:
    """Ask the catalog, which every role may read. A dry run needs no access; a read-only database may not be written."""
    with database.connection("looking for the schema reconciler") as connection:
        row = connection.execute(_SQL["schema_access"]).fetchone()
    return SchemaAccess(*row) if row is not None else SchemaAccess(False, False, False)


def pending_migrations(dsn: str) -> tuple[str, ...]:
    """The migrations that the database lacks, in order; all of them if the schema does not exist. Writes nothing."""
    known = _known_migrations()
    with map_errors("looking for pending migrations"), connect(dsn) as connection:
        found = connection.execute(_SQL["migrations_table"]).fetchone()
        if found is None or found[0] is None:
            return known
        applied = {row[0] for row in connection.execute(_SQL["migrations_applied"])}
    return tuple(name for name in known if name not in applied)


def _known_migrations() -> tuple[str, ...]:
    """The names of the migrations that this program brings, in order."""
    names = (path.name for path in (files("reconciler.adapters.postgres") / "migrations").iterdir())
    return tuple(sorted(name.removesuffix(".sql") for name in names if name.endswith(".sql")))
