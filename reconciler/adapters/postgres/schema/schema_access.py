"""What this role may do in our schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements

_SQL: Final = statements("schema")


@dataclass(frozen=True, slots=True)
class SchemaAccess:
    """Whether our schema is there, may be read, and may be written as a sweep writes it."""

    is_there: bool
    may_read: bool
    may_write: bool


def schema_access(database: Database) -> SchemaAccess:
    """Ask the catalog, which everyone may. A dry run needs none of it; a read-only database may not be written."""
    with database.connection("looking for the schema reconciler") as connection:
        row = connection.execute(_SQL["schema_access"]).fetchone()
    return SchemaAccess(*row) if row is not None else SchemaAccess(False, False, False)
