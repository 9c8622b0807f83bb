"""The merchant's database for a benchmark: a table that is filled once, and a fresh copy of it for every run.

Without a URL the embedded PostgreSQL is started for the length of the benchmark. The role of a URL needs the right to
create databases. The databases made there are dropped at the end.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate

TABLE = """
CREATE TABLE payments (
    id bigint PRIMARY KEY,
    pi text,
    status text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz,
    order_id text,
    updated_at timestamptz
)
"""
COLUMNS = "id, pi, status, amount, currency, created_at, order_id"
INDEXES = ("CREATE INDEX ON payments (pi)", "CREATE INDEX ON payments (created_at)")
ORDER_INDEX = "CREATE INDEX ON payments (order_id)"
Row = tuple[int, str, str, int, str, datetime, str]

_numbers = itertools.count(1)


class Databases:
    """A server in which databases are made; use it in a with block."""

    def __init__(self, url: str | None) -> None:
        self._given = url
        self._stack = ExitStack()
        self._url = ""

    def __enter__(self) -> Self:
        if self._given is None:
            server = EmbeddedPostgres()
            self._stack.callback(server.stop)
            self._url = server.start()
        else:
            self._url = self._given
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def version(self) -> str:
        """The server's version."""
        with psycopg.connect(self._url) as connection:
            shown = connection.execute("SHOW server_version").fetchone()
        return str(shown[0]) if shown else "unknown"

    @contextmanager
    def filled(
        self,
        rows: Iterable[Row] = (),
        generated: str | None = None,
        indexes: Sequence[str] = (*INDEXES, ORDER_INDEX),
    ) -> Iterator[str]:
        """The name of a migrated database whose payments table has these rows, and the rows of the SELECT ``generated``.

        Copy it with ``copy_of``. It is dropped at the end of the block.
        """
        with self._database(None) as name:
            url = self._url_of(name)

            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(TABLE)
                if generated is not None:
                    connection.execute(f"INSERT INTO payments ({COLUMNS}) {generated}".encode())
                with connection.cursor().copy(
                    f"COPY payments ({COLUMNS}) FROM STDIN".encode()
                ) as copy:
                    for row in rows:
                        copy.write_row(row)
                for index in indexes:
                    connection.execute(index.encode())
                connection.execute("VACUUM ANALYZE payments")

            migrate(url, daemon_role=None, auditor_role=None)
            yield name

    @contextmanager
    def empty(self) -> Iterator[tuple[str, str]]:
        """The name and the URL of an empty database; it is dropped at the end of the block."""
        with self._database(None) as name:
            yield name, self._url_of(name)

    @contextmanager
    def copy_of(self, template: str, indexes: Sequence[str] = ()) -> Iterator[str]:
        """The URL of a fresh copy of this database with these indexes; it is dropped at the end of the block."""
        with self._database(template) as name:
            url = self._url_of(name)
            with psycopg.connect(url, autocommit=True) as connection:
                for index in indexes:
                    connection.execute(index.encode())
            yield url

    @contextmanager
    def _database(self, template: str | None) -> Iterator[str]:
        name = f"reconciler_benchmark_{os.getpid()}_{next(_numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template or "template0")
        try:
            yield name
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        composed = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))  # type: ignore[arg-type]
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(composed)

    def _url_of(self, name: str) -> str:
        if self._url.startswith(("postgresql://", "postgres://")):
            base, mark, query = self._url.partition("?")
            scheme, _, rest = base.partition("://")
            return f"{scheme}://{rest.partition('/')[0]}/{name}{mark}{query}"
        return make_conninfo(self._url, dbname=name)


def query_rows(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()
