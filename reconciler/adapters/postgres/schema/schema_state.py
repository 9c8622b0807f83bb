"""What state the schema reconciler is in: which migrations it has, and what this role may do there.

Every command asks this when it starts, so it needs nothing of what applies migrations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Database, connect, map_errors
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.errors import ConfigurationError, ConfigurationFault, NewerSchemaError

_SQL: Final = STATEMENTS["schema"]

_MIGRATION: Final = re.compile(r"[0-9]{4}_\w+")
"""What Reconciler's migrations are called; yoyo may record others of its own."""
_NO_SCHEMA: Final = ConfigurationFault(
    "This database has no schema reconciler: nothing was ever recorded in it.",
    "Check that DATABASE_URL (or [database] url) names the right database. To begin in this one, run: reconciler migrate",
)


@dataclass(frozen=True, slots=True)
class SchemaAccess:
    """Whether the schema exists, may be read, and may be written as a sweep writes it."""

    exists: bool
    may_read: bool
    may_write: bool


def schema_access(database: Database) -> SchemaAccess:
    """Ask the catalog, which every role may read. A dry run needs no access; a read-only database may not be written.

    Raises NewerSchemaError. A role that may not read the schema uses nothing of it, so no version is refused then.
    """
    applied: list[TupleRow] = []
    with database.connection("looking for the schema reconciler") as connection:
        row = connection.execute(_SQL["schema_access"]).fetchone()
        exists, may_read, may_write, may_read_migrations = row or (False, False, False, False)
        if may_read_migrations:
            applied = connection.execute(_SQL["migrations_applied"]).fetchall()

    # a newer schema may lack a table that is looked for above, and would then look like a missing one
    raise_if_newer(name for (name,) in applied)
    return SchemaAccess(exists, may_read, may_write)


def ensure_schema(database: Database) -> None:
    """Raise ConfigurationError if the schema does not exist, and NewerSchemaError if a newer version has migrated it.

    For what only reads: a table that the role may not read is named by PostgreSQL itself.
    """
    if not schema_access(database).exists:
        raise ConfigurationError((_NO_SCHEMA,))


def pending_migrations(dsn: str) -> tuple[str, ...]:
    """The migrations that the database lacks, in order; all of them if the schema does not exist. Writes nothing.

    Raises NewerSchemaError.
    """
    applied: set[str] = set()
    with map_errors("looking for pending migrations"), connect(dsn) as connection:
        found = connection.execute(_SQL["migrations_table"]).fetchone()
        if found is not None and found[0] is not None:
            applied = {name for (name,) in connection.execute(_SQL["migrations_applied"])}
    raise_if_newer(applied)
    return tuple(name for name in known_migrations() if name not in applied)


def raise_if_newer(applied: Iterable[str]) -> None:
    """Raise NewerSchemaError if a migration was applied that this program does not bring."""
    known = known_migrations()
    unknown = sorted(name for name in applied if _MIGRATION.fullmatch(name) and name not in known)
    if unknown:
        raise NewerSchemaError(
            "A newer version of Reconciler has migrated the schema reconciler: this version does not know"
            f" {', '.join(unknown)}. Nothing was read or written.",
            "Install the newer version here too.",
        )


@cache
def known_migrations() -> tuple[str, ...]:
    """The names of the migrations that this program brings, in order."""
    names = (path.name for path in (files("reconciler.adapters.postgres") / "migrations").iterdir())
    return tuple(sorted(name.removesuffix(".sql") for name in names if name.endswith(".sql")))
