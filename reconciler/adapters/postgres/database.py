"""Connections to one database."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from reconciler.adapters.postgres.errors import map_errors, mapped, not_connected
from reconciler.adapters.postgres.statements import statements
from reconciler.errors import DatabaseRefusedError, DatabaseUnavailableError

_SQL: Final = statements("transactions")

Connection = psycopg.Connection[TupleRow]

CONNECT_SECONDS: Final = 10
DEFAULT_PREPARE: Final = 5
"""psycopg's own default: a statement is prepared on its fifth use."""
_THRESHOLD: Final = "prepare_threshold="
_UNREADABLE: Final = (
    "Write it as postgresql://user@host:5432/shop, with @, : and / in a password percent-encoded,"
    " or as host=... dbname=...; postgresql:///shop?host=/folder is a local socket."
)


TIMEOUTS = "-c lock_timeout=5s -c statement_timeout=60s"


def connection_info(dsn: str) -> tuple[str, int | None]:
    """What libpq takes and psycopg's prepare_threshold.

    ``dsn`` is a URL or keywords as libpq reads them (services and sockets included). A URL may add
    ``prepare_threshold=none`` for a pooler in transaction mode that cannot keep prepared statements.
    Raises DatabaseRefusedError for one that cannot be read; the message does not repeat it, it may hold a password.
    """
    threshold: int | None = DEFAULT_PREPARE
    if dsn.startswith(("postgresql://", "postgres://")):
        base, _, query = dsn.partition("?")
        actor, _, path = base.partition("://")[2].partition("/")
        # a bare @ or / in a password makes its rest a host or a database, which messages would then name
        if actor.count("@") > 1 or "@" in path:
            raise DatabaseRefusedError("The database URL has an @ too many.", _UNREADABLE)
        options = query.split("&")
        ours = [option for option in options if option.startswith(_THRESHOLD)]
        if ours:
            wanted = ours[-1].removeprefix(_THRESHOLD)
            threshold = int(wanted) if wanted.isdecimal() else None
            rest = "&".join(option for option in options if option not in ours)
            dsn = f"{base}?{rest}"
    try:
        given = conninfo_to_dict(dsn)
        if not str(given.get("port") or "0").replace(",", "").isdecimal():
            raise DatabaseRefusedError("The database URL's port is not a number.", _UNREADABLE)
        defaults = {
            "application_name": "reconciler",
            "connect_timeout": str(CONNECT_SECONDS),
            # a database without an encoding (SQL_ASCII) would answer in bytes
            "client_encoding": "UTF8",
            # a server that has gone without a word is noticed in about the time of a lease, not in a quarter of an hour
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": "25000",
        }
        missing = {name: value for name, value in defaults.items() if name not in given}
        return make_conninfo(dsn, **missing), threshold
    except psycopg.ProgrammingError:
        raise DatabaseRefusedError("The database URL could not be read.", _UNREADABLE) from None


def place(conninfo: str) -> str:
    """Where a connection leads, for a message: never a password."""
    given = conninfo_to_dict(conninfo)
    if "service" in given:
        return f"service {given['service']}"
    at = given.get("host") or given.get("hostaddr") or "the local socket"
    port = f":{given['port']}" if given.get("port") else ""
    return f"database {given.get('dbname') or given.get('user') or '(default)'} at {at}{port}"


def connect(dsn: str) -> Connection:
    """One connection of its own, in autocommit. Raises our errors where it does not come about."""
    conninfo, threshold = connection_info(dsn)
    try:
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=threshold)
    except psycopg.Error as error:
        raise not_connected(error, place(conninfo)) from None


def _configure(connection: Connection) -> None:
    """Times with a zone are read in one style alone. The time zone stays: the merchant's triggers may live by it."""
    style = connection.info.parameter_status("DateStyle") or "ISO"
    if not style.startswith("ISO"):
        connection.execute(_SQL["set_date_style"])


def _timeouts(conninfo: str, threshold: int | None) -> dict[str, str]:
    """Bounds for reading: a sweep must neither hang behind somebody's lock nor hold somebody up.

    They go with the connection's start, so not through a pooler, which shares connections with others.
    """
    if threshold is None:
        return {}
    given = conninfo_to_dict(conninfo).get("options") or ""
    return {"options": f"{TIMEOUTS} {given}".strip()}


class Database:
    """A few connections to one database, shared by this process's threads. Use it as a context manager.

    Every connection is in autocommit: a transaction is begun by whoever wants one.
    """

    def __init__(self, dsn: str, size: int = 4) -> None:
        self._dsn = dsn
        conninfo, threshold = connection_info(dsn)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            kwargs={
                "autocommit": True,
                "prepare_threshold": threshold,
                **_timeouts(conninfo, threshold),
            },
            min_size=0,
            max_size=size,
            timeout=CONNECT_SECONDS,
            open=False,
            configure=_configure,
            name="reconciler",
        )
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __enter__(self) -> Self:
        # the pool would try again and again for its whole timeout, and not say why it fails
        connect(self._dsn).close()
        self._pool.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def turn(self, account: str) -> Iterator[None]:
        """Wait until no other thread has this account's turn, and have it for the length of the block.

        Rows are locked with SKIP LOCKED, for the merchant's sake: two threads of ours that met at the same rows would
        each leave them to a later sweep. Take the turn before the connection, so that none is held while waiting.
        """
        with self._turns[account]:
            yield

    @contextmanager
    def connection(self, doing: str) -> Iterator[Connection]:
        """A connection for the length of the block; a transaction left open is rolled back.

        psycopg's errors leave the block as ours; ``doing`` completes "while" in their messages.
        """
        try:
            connection = self._pool.getconn()
        except PoolTimeout:
            connect(self._dsn).close()
            raise DatabaseUnavailableError(
                f"No connection was free while {doing}.", "Run fewer sweeps at once."
            ) from None
        except psycopg.Error as error:
            raise mapped(error, doing) from None
        try:
            with map_errors(doing):
                yield connection
        finally:
            self._pool.putconn(connection)
