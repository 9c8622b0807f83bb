"""How well a connection is protected on its way, and which schemas on its search_path other roles may write to."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from psycopg import sql

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["schema"]
VERIFIED: Final = "verify-full"
"""The only sslmode with which libpq proves that the server is the one that was named."""


@dataclass(frozen=True, slots=True)
class Transport:
    """How a connection goes. ``server`` is the host, ``sslmode`` what libpq was told, ``encrypted`` what came of it."""

    server: str
    sslmode: str
    encrypted: bool
    is_local: bool

    @property
    def is_verified(self) -> bool:
        """No one on the way can read or change what is sent, nor stand in for the server."""
        return self.is_local or self.sslmode == VERIFIED


@dataclass(frozen=True, slots=True)
class OpenSchema:
    """A schema on the search_path in which others than its owner may create objects. ``public`` is a role here too."""

    name: str
    roles: tuple[str, ...]
    revoke: str
    """The statement that takes the privilege away."""


def transport(database: Database) -> Transport:
    """How the connections to a database go. Raises DatabaseUnavailableError or DatabaseRefusedError."""
    with database.connection("asking how the connection is protected") as connection:
        server = connection.info
        return Transport(
            server=server.host or server.hostaddr,
            sslmode=_sslmode(connection),
            encrypted=connection.pgconn.ssl_in_use,
            is_local=_is_local(server.host, server.hostaddr),
        )


def open_schemas(database: Database) -> tuple[OpenSchema, ...]:
    """Schemas on this role's search_path in which others than the owner may create objects.

    A function that is created there can be called in the place of another one, with the rights of this role. Schemas
    that only superusers, their owner and this role itself may write to are left out.
    """
    with database.connection("asking who may create objects on the search_path") as connection:
        rows = connection.execute(_SQL["schemas_open_to_others"]).fetchall()
    return tuple(OpenSchema(name, tuple(roles), _revoke(name, roles)) for name, roles in rows)


def _revoke(schema: str, roles: list[str]) -> str:
    # PUBLIC is no role's name, and so has no quotes
    names = [sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(role) for role in roles]
    statement = sql.SQL("REVOKE CREATE ON SCHEMA {} FROM {};")
    return statement.format(sql.Identifier(schema), sql.SQL(", ").join(names)).as_string()


def _sslmode(connection: Connection) -> str:
    # not only what the URL says: libpq also reads PGSSLMODE and its service file
    for option in connection.pgconn.info:
        if option.keyword == b"sslmode" and option.val:
            return option.val.decode("utf-8", "replace")
    return ""


def _is_local(host: str, address: str) -> bool:
    """The server is on this machine: a socket's folder, or a loopback address."""
    if host.startswith(("/", "@")):
        return True
    try:
        return ip_address(address or host).is_loopback
    except ValueError:
        return host in {"", "localhost"}
