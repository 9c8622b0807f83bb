"""Lists of texts reach PostgreSQL as they are."""

from __future__ import annotations

import pytest

from reconciler.adapters.postgres.database import Database
from tests.conftest import Server

LISTS: list[list[str | None]] = [
    ["pi_1", "pi_2"],
    [],
    [None, "pi_1"],
    ['"', 'a","b', "\\", "{}", ",", "", "NULL", " "],
    ["é", "\N{SNOWMAN}"],
    ["pi_1", 'x"'],
]


@pytest.mark.parametrize("texts", LISTS)
def test_a_list_of_texts_comes_back_as_it_was_sent(texts: list[str | None], server: Server) -> None:
    """Quotes, backslashes, braces, NULL and other alphabets are data, and so is an empty list."""
    with (
        Database(server.url("postgres")) as database,
        database.connection("a test") as connection,
    ):
        row = connection.execute("SELECT %(texts)s::text[]", {"texts": texts}).fetchone()
    assert row == (texts,)


def test_numbers_are_no_texts(server: Server) -> None:
    """A list of numbers stays one."""
    with (
        Database(server.url("postgres")) as database,
        database.connection("a test") as connection,
    ):
        row = connection.execute("SELECT %(numbers)s::bigint[]", {"numbers": [1, 2]}).fetchone()
    assert row == ([1, 2],)
