"""Reads the rows of a large query in parts, while the server already makes the next part."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

from psycopg import sql
from psycopg.abc import Query

from reconciler.adapters.postgres.database import Connection, Cursor
from reconciler.adapters.postgres.statements import TEMPLATES

_FETCH: Final = TEMPLATES["transactions"]["fetch_part"]


@contextmanager
def reading_ahead(
    connection: Connection,
    query: Query,
    parameters: Mapping[str, object],
    rows_at_once: int,
    cursors: tuple[Cursor, Cursor] | None = None,
) -> Iterator[Iterator[Any]]:
    """The rows of a query, for the length of the block. The connection is in a transaction.

    At most two parts of ``rows_at_once`` rows are in memory. Other statements may run on the connection meanwhile.
    ``cursors`` fetch the parts in turn, if they are to convert values in another way.
    """
    with connection.cursor("parts") as declared:
        declared.execute(query, parameters)
        fetch = _FETCH.format(count=sql.Literal(rows_at_once), cursor=sql.Identifier("parts"))
        with closing(_rows(connection, fetch, cursors)) as rows:
            yield rows


def _rows(
    connection: Connection, fetch: Query, cursors: tuple[Cursor, Cursor] | None
) -> Generator[Any, None, None]:
    now, ahead = cursors or (connection.cursor(), connection.cursor())
    # in a pipeline the server works on a statement as soon as it has it, before its answer is asked for
    with connection.pipeline():
        now.execute(fetch, prepare=False)
        while True:
            ahead.execute(fetch, prepare=False)
            part = now.fetchall()
            if not part:
                return
            yield from part
            now, ahead = ahead, now
