"""Bringing the schema reconciler up to date.

yoyo-migrations records what was applied and splits the files; the transaction and the lock are Reconciler's own.
By itself yoyo marks a migration on another connection than the one that applied it. A crash between the two would
leave a schema that yoyo can neither apply nor skip, and yoyo's lock is a row that a crash leaves behind.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from psycopg.errors import LockNotAvailable
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, default_migration_table

from reconciler.adapters.postgres.database import Connection, connect, map_errors
from reconciler.adapters.postgres.schema.grants import RoleKind, grant, raise_if_unknown
from reconciler.adapters.postgres.schema.ledger_owner import give_functions_to_ledger_role
from reconciler.adapters.postgres.schema.schema_state import raise_if_newer
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.errors import DatabaseBusyError

_SQL: Final = STATEMENTS["schema"]

LONGEST_WAIT_SECONDS: Final = 60
"""How long a migrate waits for another one. Any role may take the lock, so it must not wait without end."""
_SOURCE: Final = "package:reconciler.adapters.postgres:migrations"


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo on a connection that Reconciler made, with a search_path that leads to the schema reconciler."""

    def __init__(self, connection: Connection) -> None:
        self._given = connection
        name = connection.info.dbname
        uri = DatabaseURI("postgresql+psycopg", None, None, None, None, name, {})
        super().__init__(uri, default_migration_table)

    def connect(self, dburi: DatabaseURI) -> Connection:  # noqa: ARG002 - yoyo's signature
        return self._given

    def apply_whole(self, migration: Migration) -> None:
        """Apply, mark and log in one transaction."""
        with self.transaction():
            migration.process_steps(self, "apply")
            self.mark_one(migration, log=False)
            self.log_migration(migration, "apply")

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, object]:
        """What yoyo logs, without its question to the name service for user and host: that may hang, or fail."""
        return {
            "id": str(uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": "reconciler",
            "hostname": "",
            "created_at_utc": self.execute("SELECT now() AT TIME ZONE 'UTC'").fetchone()[0],
            "operation": operation,
        }


def migrate(
    dsn: str,
    *,
    daemon_role: str | None,
    auditor_role: str | None,
    worker_role: str | None = None,
    web_role: str | None = None,
) -> tuple[str, ...]:
    """Bring the schema up to date and grant the roles what they need; the names of what was applied.

    The roles must exist: else DatabaseRefusedError is raised before anything is changed. The daemon's role may use the schema, but never UPDATE or DELETE the ledger; SELECT and UPDATE
    on the merchant's table are for the merchant to grant. The auditor's role reads the schema and adds notes.
    The worker's role reads the outbox and marks its rows as delivered. The role of the finance pages reads the schema and
    stores what a reviewer decides.
    Two calls at once are safe: the second waits for the first and finds nothing to do. Raises DatabaseBusyError if
    another session keeps migrating for longer than LONGEST_WAIT_SECONDS, or holds a lock on a table of the schema for
    more than 3 s: what was applied before stays, and another call goes on from there. Raises it too if a migration is
    pending while a process works on an account. Raises NewerSchemaError if a newer version has migrated the schema.
    """
    named = {
        RoleKind.DAEMON: daemon_role,
        RoleKind.AUDITOR: auditor_role,
        RoleKind.WORKER: worker_role,
        RoleKind.WEB: web_role,
    }
    roles = [(role, kind) for kind, role in named.items() if role is not None]
    with map_errors("migrating the schema reconciler"), connect(dsn) as connection:
        for role, _ in roles:
            raise_if_unknown(connection, role)
        _lock(connection)
        connection.execute(_SQL["migration_timeout"])
        applied = _apply(connection)

        # granted every time: a new table has no grants yet
        with connection.transaction():
            for role, kind in roles:
                grant(connection, role, kind)
            # after the grants: this role may no longer grant what another role owns
            give_functions_to_ledger_role(connection)
        return applied


def _lock(connection: Connection) -> None:
    """Take the lock under which one process migrates. Raises DatabaseBusyError that names who holds it for too long."""
    milliseconds = str(LONGEST_WAIT_SECONDS * 1000)
    connection.execute(_SQL["migration_lock_timeout"], {"milliseconds": milliseconds})
    try:
        connection.execute(_SQL["migration_lock"])
    except LockNotAvailable:
        found = connection.execute(_SQL["migration_lock_holder"]).fetchone()
        pid, role = found if found is not None else (None, None)
        holder = "another session" if pid is None else f'process {pid} of the role "{role}"'
        raise DatabaseBusyError(
            f"reconciler migrate waited {LONGEST_WAIT_SECONDS} s for a lock that {holder} holds.",
            "If that process is another reconciler migrate, wait until it has ended. If not, end "
            "its session with pg_terminate_backend: only reconciler migrate needs this lock.",
        ) from None


def _raise_if_at_work(connection: Connection) -> None:
    """Raise DatabaseBusyError that names the processes whose tables a migration would change under them."""
    leases = connection.execute(_SQL["leases_table"]).fetchone()
    if leases is None or leases[0] is None:
        return
    held = connection.execute(_SQL["leases_held"]).fetchall()
    if held:
        named = ", ".join(f"{holder} on the account {account}" for account, holder in held)
        raise DatabaseBusyError(
            f"A migration is pending, and a process of Reconciler is at work: {named}. Nothing was changed.",
            "Stop the service on that machine (systemctl stop reconciler), or let the sweep end; then run reconciler "
            "migrate again. A process that was killed still counts until its lease ends, within a minute.",
        )


def _apply(connection: Connection) -> tuple[str, ...]:
    found = connection.execute(_SQL["migrations_table"]).fetchone()
    applied_table, schema = found if found is not None else (None, None)
    # before anything is changed
    if applied_table is not None:
        raise_if_newer(name for (name,) in connection.execute(_SQL["migrations_applied"]))
    if schema is None:
        connection.execute(_SQL["create_schema"])
    connection.execute(_SQL["migration_path"])
    backend = _Backend(connection)
    if applied_table is None:
        backend.create_lock_table()

    # a process that left yoyo's own lock behind is dead: the lock that counts ends with its connection
    backend.break_lock()
    missing = backend.to_apply(read_migrations(_SOURCE))
    if missing:
        _raise_if_at_work(connection)
    for migration in missing:
        backend.apply_whole(migration)
    return tuple(migration.id for migration in missing)
