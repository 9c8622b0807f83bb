"""A large query is read in parts: every row once and in order, and the connection stays of use."""

from __future__ import annotations

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.read_ahead import reading_ahead
from reconciler.errors import RowRefusedError

NUMBERS = b"SELECT n FROM generate_series(1, %(count)s::int) AS n ORDER BY n"


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 35])
def test_every_row_comes_once_and_in_order(empty_database, count):
    """The last part may be full, empty or smaller than the others."""
    with (
        Database(empty_database) as database,
        database.snapshot("reading") as connection,
        reading_ahead(connection, NUMBERS, {"count": count}, 10) as rows,
    ):
        assert [n for (n,) in rows] == list(range(1, count + 1))


def test_other_statements_run_while_rows_are_read(empty_database):
    """A large entry is read on the same connection while the next part is under way."""
    with (
        Database(empty_database) as database,
        database.snapshot("reading") as connection,
        reading_ahead(connection, NUMBERS, {"count": 25}, 10) as rows,
    ):
        doubled = [connection.execute("SELECT %s * 2", [n]).fetchone() for (n,) in rows]
    assert doubled == [(2 * n,) for n in range(1, 26)]


def test_a_reader_that_ends_early_leaves_the_connection_usable(empty_database):
    """A broken chain is not read to its end; what is asked afterwards on the connection is answered."""
    with Database(empty_database, 1) as database:
        with database.snapshot("reading") as connection:
            with reading_ahead(connection, NUMBERS, {"count": 100}, 10) as rows:
                assert next(rows) == (1,)
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert database.number("asking again", b"SELECT 2", {}) == 2


def test_an_error_of_a_later_part_is_raised(empty_database):
    """No row is left out in silence: the reader meets the error of the server."""
    query = b"SELECT 1 / (30 - n) FROM generate_series(1, 100) AS n"
    with Database(empty_database, 1) as database:
        with (
            pytest.raises(RowRefusedError, match="DivisionByZero"),
            database.snapshot("reading") as connection,
            reading_ahead(connection, query, {}, 10) as rows,
        ):
            list(rows)
        assert database.number("asking again", b"SELECT 2", {}) == 2
