"""The role that owns the functions which write the ledger: it cannot log in, and owns nothing else."""

from __future__ import annotations

from typing import Final

from psycopg import errors

from reconciler.adapters.postgres.database import Connection, connect, map_errors
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES

_SQL: Final = STATEMENTS["schema"]

LEDGER_ROLE: Final = "reconciler_ledger"


def give_functions_to_ledger_role(connection: Connection) -> None:
    """Create the role if it is missing, and make it the owner of the functions. Nothing changes if it is already.

    Without the right to create a role, the functions stay with the role that migrates: the service's role may then still
    not write the ledger by itself, but the functions have more rights than they need.
    """
    if _owner(connection) == LEDGER_ROLE:
        return
    try:
        with connection.transaction():
            if connection.execute(_SQL["ledger_role"]).fetchone() is None:
                connection.execute(_SQL["create_ledger_role"])
    except errors.InsufficientPrivilege:
        return
    except (errors.DuplicateObject, errors.UniqueViolation):
        # another database of this server is migrated at the same time
        pass

    row = connection.execute(_SQL["ledger_role"]).fetchone()
    # a role of this name that could log in, or do more than this, is not the one that is meant
    if row is None or row[0]:
        return
    try:
        with connection.transaction():
            if not row[1]:
                connection.execute(_SQL["join_ledger_role"])
            connection.execute(TEMPLATES["schema"]["grant_ledger_role"].format())
    except errors.InsufficientPrivilege:
        # the role exists, and this role may not become a member of it
        return


def ledger_owner(dsn: str) -> str:
    """The role whose rights the functions have that write the ledger."""
    with map_errors("looking for the owner of the ledger's functions"), connect(dsn) as connection:
        return _owner(connection)


def _owner(connection: Connection) -> str:
    row = connection.execute(_SQL["ledger_functions_owner"]).fetchone()
    return "" if row is None else str(row[0])
