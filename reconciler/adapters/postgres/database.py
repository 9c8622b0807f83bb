"""Connections to one database, and the transactions on them."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.array import ListDumper
from psycopg_pool import ConnectionPool, PoolTimeout

from reconciler.adapters.postgres.errors import connection_error, lease_lost, mapped
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.errors import DatabaseRefusedError, DatabaseUnavailableError

_SQL: Final = STATEMENTS["transactions"]

Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]

CONNECT_SECONDS: Final = 10
DEFAULT_PREPARE: Final = 5
"""psycopg's own default: a statement is prepared on its fifth use."""
_PREPARE_OPTION: Final = "prepare_threshold="
TIMEOUTS: Final = "-c lock_timeout=5s -c statement_timeout=60s"
_URL_HINT: Final = (
    "Write it as postgresql://user@host:5432/shop or as host=... dbname=... In a password, write @ as %40, : as %3A "
    "and / as %2F. For a local socket, write postgresql:///shop?host=/folder."
)


def connection_info(dsn: str) -> tuple[str, int | None]:
    """What libpq takes, and psycopg's prepare_threshold.

    ``dsn`` is a URL or keywords as libpq reads them, services and sockets included. A URL may add
    ``prepare_threshold=none`` for a pooler in transaction mode that cannot keep prepared statements.
    Raises DatabaseRefusedError for one that cannot be read; the message does not repeat it, it may hold a password.
    """
    threshold: int | None = DEFAULT_PREPARE
    if dsn.startswith(("postgresql://", "postgres://")):
        base, _, query = dsn.partition("?")
        login, _, path = base.partition("://")[2].partition("/")

        # a bare @ or / in a password makes its rest a host or a database, and messages would then name it
        if login.count("@") > 1 or "@" in path:
            raise DatabaseRefusedError("The database URL has more than one @.", _URL_HINT)

        options = query.split("&")
        given_thresholds = [option for option in options if option.startswith(_PREPARE_OPTION)]
        if given_thresholds:
            wanted = given_thresholds[-1].removeprefix(_PREPARE_OPTION)
            threshold = int(wanted) if wanted.isdecimal() else None
            # libpq refuses an option that it does not know
            rest = "&".join(option for option in options if option not in given_thresholds)
            dsn = f"{base}?{rest}"

    try:
        return _with_defaults(dsn), threshold
    except psycopg.ProgrammingError:
        raise DatabaseRefusedError("The database URL could not be read.", _URL_HINT) from None


def _with_defaults(dsn: str) -> str:
    """The connection string with Reconciler's defaults for what it leaves open."""
    given = conninfo_to_dict(dsn)
    if not str(given.get("port") or "0").replace(",", "").isdecimal():
        raise DatabaseRefusedError("The database URL's port is not a number.", _URL_HINT)
    defaults = {
        "application_name": "reconciler",
        "connect_timeout": str(CONNECT_SECONDS),
        # a database without an encoding (SQL_ASCII) would answer in bytes
        "client_encoding": "UTF8",
        # a server that vanishes is noticed in about the time of a lease, not in a quarter of an hour
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "25000",
    }
    missing = {name: value for name, value in defaults.items() if name not in given}
    return make_conninfo(dsn, **missing)


def address_of(conninfo: str) -> str:
    """Which database at which server a connection string names, for a message: never a password."""
    given = conninfo_to_dict(conninfo)
    if "service" in given:
        return f"service {given['service']}"
    at = given.get("host") or given.get("hostaddr") or "the local socket"
    port = f":{given['port']}" if given.get("port") else ""
    return f"database {given.get('dbname') or given.get('user') or '(default)'} at {at}{port}"


def connect(dsn: str, **settings: str) -> Connection:
    """A single connection, in autocommit. ``settings`` replace parts of ``dsn``.

    Raises DatabaseUnavailableError or DatabaseRefusedError if it cannot be made.
    """
    conninfo, threshold = connection_info(dsn)
    try:
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=threshold, **settings)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise connection_error(error, address_of(conninfo)) from None


@contextmanager
def map_errors(doing: str) -> Iterator[None]:
    """Turn every error of psycopg's that leaves the block into Reconciler's. ``doing`` completes "while"."""
    try:
        yield
    except psycopg.Error as error:
        raise mapped(error, doing) from None


class TextArrayDumper(ListDumper):
    """psycopg's dumper of lists, with a shorter way for a list of ASCII texts.

    Every page of a sweep sends some hundreds of ids several times. psycopg looks at each element alone, which costs a
    tenth of a sweep's CPU.
    """

    def _find_list_element(self, elements: list[Any], wanted: PyFormat) -> Any:
        # psycopg looks at the type of every element, twice for each list
        if elements and type(elements[0]) is str and type(elements[-1]) is str:
            return elements[-1]
        return super()._find_list_element(elements, wanted)

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


def _configure(connection: Connection) -> None:
    """Set the date style, without which psycopg cannot read a time with a zone.

    The time zone stays as it is: the merchant's triggers may depend on it.
    """
    connection.adapters.register_dumper(list, TextArrayDumper)
    style = connection.info.parameter_status("DateStyle") or "ISO"
    if not style.startswith("ISO"):
        connection.execute(_SQL["set_date_style"])


def _timeouts(conninfo: str, threshold: int | None) -> dict[str, str]:
    """Limits for reading: a sweep must neither wait long for another session's lock nor hold one for long.

    The server takes them when a connection starts. A pooler shares connections with others, so it gets none.
    """
    if threshold is None:
        return {}
    given = conninfo_to_dict(conninfo).get("options") or ""
    return {"options": f"{TIMEOUTS} {given}".strip()}


def _class_that_begins_with(opened: list[Connection]) -> type[Connection]:
    """For a pool: a class whose first connections are the ones that are open already."""

    class Pooled(psycopg.Connection[TupleRow]):
        @classmethod
        def connect(cls, conninfo: str = "", **settings: Any) -> Connection:  # type: ignore[override]
            with contextlib.suppress(IndexError):
                return opened.pop()
            return super().connect(conninfo, **settings)

    return Pooled


class Database:
    """A few connections to one database, shared by this process's threads. Use it as a context manager.

    Every connection is in autocommit. Code that wants a transaction begins it.
    """

    def __init__(self, dsn: str, size: int = 4) -> None:
        self._dsn = dsn
        conninfo, threshold = connection_info(dsn)
        self._timeouts = _timeouts(conninfo, threshold)
        self._opened: list[Connection] = []
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            connection_class=_class_that_begins_with(self._opened),
            kwargs={"autocommit": True, "prepare_threshold": threshold, **self._timeouts},
            min_size=0,
            max_size=size,
            timeout=CONNECT_SECONDS,
            open=False,
            configure=_configure,
            name="reconciler",
        )
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __enter__(self) -> Self:
        # the pool would retry for its whole timeout and not say why it fails
        self._opened.append(connect(self._dsn, **self._timeouts))
        self._pool.open()
        try:
            with self.connection("connecting"):
                return self
        except BaseException:
            self.close()
            raise

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

    def lock_of(self, account: str) -> threading.Lock:
        """The lock that gives one thread at a time the right to record this account's pages.

        Merchant rows are locked with SKIP LOCKED, so that the checkout never waits. Two threads that met at the same
        rows would each leave them to a later sweep. Take this lock before a connection: a waiting thread holds none.
        """
        return self._locks[account]

    @contextmanager
    def connection(self, doing: str) -> Iterator[Connection]:
        """A connection for the length of the block; a transaction left open is rolled back.

        psycopg's errors leave the block as Reconciler's; ``doing`` completes "while" in their messages.
        """
        try:
            connection = self._pool.getconn()
        except PoolTimeout:
            # if the server itself is unavailable, that is the error to raise
            connect(self._dsn).close()
            raise DatabaseUnavailableError(
                f"All database connections of this process were in use while Reconciler was {doing}.",
                "Run fewer sweeps at once.",
            ) from None
        except psycopg.Error as error:
            raise mapped(error, doing) from None

        # "from None": the original error may quote a customer's row
        try:
            yield connection
        except psycopg.Error as error:
            raise mapped(error, doing) from None
        finally:
            self._pool.putconn(connection)

    def number(self, doing: str, statement: bytes, parameters: Mapping[str, object]) -> int:
        """The one number that a statement answers with; 0 without an answer. ``doing`` completes "while" in messages."""
        with self.connection(doing) as connection:
            row = connection.execute(statement, parameters).fetchone()
        return 0 if row is None else int(row[0])

    @contextmanager
    def transaction(self, doing: str) -> Iterator[Connection]:
        """A connection whose transaction is committed at the end of the block, or rolled back after an error.

        The block itself begins it with ``begin``: inside a pipeline that costs no round trip of its own.
        """
        with self.connection(doing) as connection:
            try:
                yield connection
            except BaseException:
                # a connection that the server has closed has rolled back by itself
                with contextlib.suppress(psycopg.Error):
                    connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def snapshot(self, doing: str) -> Iterator[Connection]:
        """A transaction that only reads, from one moment's view; a cursor on the server needs a transaction."""
        with self.transaction(doing) as connection:
            connection.execute(_SQL["begin_snapshot"])
            yield connection

    @contextmanager
    def counting(self, doing: str) -> Iterator[Connection]:
        """A snapshot for statements that may read a whole table: each may take a minute."""
        with self.snapshot(doing) as connection:
            connection.execute(_SQL["set_count_timeout"])
            yield connection


def begin(connection: Connection) -> None:
    """Begin a transaction that waits at most 1 s for a lock and 10 s for a statement. Meant for a pipeline."""
    connection.execute(_SQL["begin"])
    connection.execute(_SQL["set_timeouts"])


def lock_lease(connection: Connection, account: str, epoch: int) -> Cursor:
    """Lock the lease's row against a takeover. Meant for a pipeline; ``raise_if_lease_lost`` reads the answer."""
    return connection.execute(_SQL["lease_fence"], {"account": account, "epoch": epoch})


def raise_if_lease_lost(locked: Cursor, account: str) -> None:
    """Raise LeaseLostError if ``lock_lease`` found no lease of this epoch that still lasts."""
    if locked.fetchone() is None:
        raise lease_lost(account)
