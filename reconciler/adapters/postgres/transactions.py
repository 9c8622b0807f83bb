"""Transactions of ours: how they begin, whom they make wait, and how the lease is proved in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.statements import statements
from reconciler.errors import LeaseLostError

_SQL: Final = statements("transactions")

Cursor = psycopg.Cursor[TupleRow]


def begin(connection: Connection) -> None:
    """Begin a transaction that waits a second for a lock and ten for a statement. Meant for a pipeline."""
    connection.execute(_SQL["begin"])
    connection.execute(_SQL["set_timeouts"])


@contextmanager
def ending(connection: Connection) -> Iterator[None]:
    """Commit what was begun in the block, or roll it back where an error leaves it."""
    try:
        yield
    except BaseException:
        # a connection that is gone has rolled back by itself
        with contextlib.suppress(psycopg.Error):
            connection.rollback()
        raise
    connection.commit()


def fence(connection: Connection, account: str, epoch: int) -> Cursor:
    """Ask for the lease's row, locked against a takeover. Meant for a pipeline."""
    return connection.execute(_SQL["lease_fence"], {"account": account, "epoch": epoch})


def check_fence(fenced: Cursor, account: str) -> None:
    """Raise LeaseLostError where the fence's answer is empty."""
    if fenced.fetchone() is None:
        raise LeaseLostError(
            f"The lease on account {account} has ended or another process has taken it over.",
            "Nothing was written; run the sweep again when the other has finished.",
        )


@contextmanager
def streaming(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, from one snapshot: what a cursor on the server needs."""
    with ending(connection):
        connection.execute(_SQL["begin_snapshot"])
        yield


@contextmanager
def counting(connection: Connection) -> Iterator[None]:
    """The same for statements that may read a whole table: a minute each."""
    with streaming(connection):
        connection.execute(_SQL["set_count_timeout"])
        yield
