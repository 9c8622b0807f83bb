"""One connection to each database of the tests is kept open: opening one takes longer than most statements of a test."""

from __future__ import annotations

import select
import threading

import psycopg

_kept: dict[tuple[int, str], psycopg.Connection] = {}


def kept_connection(url: str) -> psycopg.Connection:
    """The calling thread's connection to a database, which commits each statement. It belongs to the helpers of the tests.

    It is opened anew after the server has ended it, as a test of outages makes the server do.
    """
    key = (threading.get_ident(), url)
    connection = _kept.get(key)
    if connection is not None and not connection.closed:
        # a server says nothing to an idle connection but that it ends
        if not select.select([connection.fileno()], [], [], 0)[0]:
            return connection
        connection.close()
    # a test may change a table between two statements of the same text, which no prepared statement outlives
    _kept[key] = psycopg.connect(url, autocommit=True, prepare_threshold=None)
    return _kept[key]


def close_connections(database: str | None = None) -> None:
    """Close the kept connections to a database of this name, or all of them."""
    for key, connection in list(_kept.items()):
        if connection.closed or database in (None, connection.info.dbname):
            connection.close()
            del _kept[key]
