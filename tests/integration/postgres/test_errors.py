"""Every error of PostgreSQL's becomes one of Reconciler's, with its exit code, without secrets or customers' data."""

from __future__ import annotations

import threading

import psycopg
import pytest

from reconciler.adapters.postgres.database import Database, connect, map_errors
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    RowRefusedError,
)
from tests.some_quick import some_quick

SECRET = "hunter2-s3cret"


@pytest.fixture
def table(shop, bench):
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending")
    return bench(made)


def failing(url: str, query: str, *before: str):
    """Execute a statement that fails, on a connection of a Database."""
    with Database(url) as database, database.connection("testing") as connection:
        for statement in before:
            connection.execute(statement)
        connection.execute(query)


@some_quick(
    ("query", "before", "kind", "words"),
    [
        ("SELECT * FROM nowhere", (), DatabaseRefusedError, 'relation "nowhere" does not exist'),
        ("SELECT nothing FROM payments", (), DatabaseRefusedError, 'column "nothing" does not exist'),
        ("SELECT * FROM nowhere.x", (), DatabaseRefusedError, "nowhere"),
        ("SELECT reconciler.gone()", (), DatabaseRefusedError, "reconciler.gone() does not exist"),
        ("SELECT pg_sleep(5)", ("SET statement_timeout TO '20ms'",), DatabaseBusyError, "statement_timeout"),
        ("INSERT INTO payments (id) VALUES (1)", (), RowRefusedError, "payments_pkey"),
        ("DO $$ BEGIN RAISE SQLSTATE '58030'; END $$", (), DatabaseUnavailableError, "58030"),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", (), DatabaseUnavailableError, "disk is full"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P05'; END $$", (), DatabaseUnavailableError, "57P05"),
        ("SELECT 1 / 0", (), RowRefusedError, "DivisionByZero 22012"),
        ("DELETE FROM payments", ("SET default_transaction_read_only TO on",), DatabaseUnavailableError, "read-only"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", (), DatabaseUnavailableError, "lost its connection to PostgreSQL while testing"),
    ], quick=range(0, 40, 2),
)  # fmt: skip
def test_each_failure_has_its_error_class(table, query, before, kind, words):
    """Missing objects and refusals have exit code 78; a refused row, a lost and a busy server 75. The message says while doing what."""
    with pytest.raises(kind, match="testing") as caught:
        failing(table.url, query, *before)
    assert words in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == (78 if kind is DatabaseRefusedError else 75)
    assert caught.value.__cause__ is None


def test_a_missing_privilege_names_the_table(table, role):
    """The message names the table, and the hint says that doctor prints the GRANT."""
    _, as_role = role("stranger")
    with pytest.raises(
        DatabaseRefusedError, match="permission denied for table payments"
    ) as caught:
        failing(as_role(table.url), "SELECT * FROM payments")
    assert "GRANT" in caught.value.hint


def test_a_deadlock_is_busy(table):
    """Two transactions wait for each other: the one that PostgreSQL cancels may try again."""
    with psycopg.connect(table.url) as one, psycopg.connect(table.url) as two:
        one.execute("SET deadlock_timeout TO '20ms'")
        one.execute("SELECT pg_advisory_xact_lock(1)")
        two.execute("SELECT pg_advisory_xact_lock(2)")
        waiting = threading.Thread(target=two.execute, args=("SELECT pg_advisory_xact_lock(1)",))
        waiting.start()
        blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while table.all(blocked) == [(0,)]:
            pass
        with pytest.raises(DatabaseBusyError, match="deadlock"), map_errors("testing"):
            one.execute("SELECT pg_advisory_xact_lock(2)")
        one.rollback()
        waiting.join()


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO customers VALUES ('jane@example.com')",
        "INSERT INTO customers VALUES ('x'), ('jane@example.com'), ('jane@example.com')",
        "SELECT 'jane@example.com'::int",
        "SELECT jsonb 'jane@example.com'",
        "DO $$ BEGIN RAISE EXCEPTION 'jane@example.com' USING ERRCODE = 'insufficient_privilege'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION 'jane@example.com'; END $$",
    ],
)
def test_customers_values_are_not_repeated(table, query):
    """A message holds no value of a row, neither from PostgreSQL's detail nor from a trigger's message."""
    with psycopg.connect(table.url) as connection:
        connection.execute(
            "CREATE TABLE customers (mail text UNIQUE CHECK (mail <> 'jane@example.com'))"
        )
    with pytest.raises(DatabaseRefusedError) as caught:
        failing(table.url, query)
    assert "jane" not in str(caught.value)


def test_an_unavailable_server(tmp_path):
    """A refused connection and a missing socket have exit code 75, and the message has the address and the reason."""
    with pytest.raises(
        DatabaseUnavailableError,
        match=r"database shop at 127\.0\.0\.1:1: Connection refused\.(\s|$)(?!.*Is the server)",
    ):
        connect("postgresql://127.0.0.1:1/shop")
    with pytest.raises(DatabaseUnavailableError, match=f"at {tmp_path}"):
        connect(f"postgresql:///shop?host={tmp_path}")


def test_an_unknown_role_and_an_unknown_database(server):
    """They are errors of the configuration, with exit code 78, and the message names them."""
    for url in (server.url("nowhere"), server.url("postgres", user="no_such_role")):
        with pytest.raises(DatabaseRefusedError, match="does not exist") as caught:
            connect(url)
        assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://shop:{SECRET}@127.0.0.1:1/shop",
        f"postgresql//shop:{SECRET}@localhost/shop",
        f"postgresql://shop:{SECRET}@host@127.0.0.1:1/shop",
        f"postgresql://shop:x/{SECRET}@127.0.0.1/shop",
        f"postgresql://shop:{SECRET}%zz@127.0.0.1/shop",
        f"host=127.0.0.1 port=1 user=shop password={SECRET}",
        f"host=127.0.0.1 pasword={SECRET}",
        f"postgresql://127.0.0.1:1/shop?password={SECRET}",
        f"postgresql://127.0.0.1:1/shop?nonsense={SECRET}",
        f"postgresql://shop@127.0.0.1:{SECRET}/shop",
        SECRET,
        f"service={SECRET}x",
    ],
)
def test_a_password_is_never_in_a_message(dsn):
    """An error does not repeat the password of the URL, whether the URL is valid or not."""
    with pytest.raises((DatabaseUnavailableError, DatabaseRefusedError)) as caught:
        connect(dsn)
    if not dsn.startswith("service="):  # the name of a service is no secret
        assert SECRET not in str(caught.value)
    assert caught.value.hint


def reload(server) -> None:
    """Let the server read its files again, and wait until it has."""

    def loaded():
        with server.connect() as connection:
            return connection.execute("SELECT pg_conf_load_time()").fetchone()

    before = loaded()
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    while loaded() == before:
        pass


def test_a_wrong_password_is_refused(server, role):
    """A wrong password is an error of the configuration; the message names the user and not the password."""
    name, _ = role("locked")
    hba = server.socket / "data" / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(f"local all {name} scram-sha-256\n{before}")
    try:
        with server.connect() as connection:
            connection.execute(f"ALTER ROLE {name} PASSWORD 'right'")
        reload(server)
        with pytest.raises(DatabaseRefusedError, match="password authentication failed") as caught:
            connect(f"postgresql://{name}:{SECRET}@/postgres?host={server.socket}")
        assert SECRET not in str(caught.value)
    finally:
        hba.write_text(before)
        reload(server)


def test_a_connection_that_was_cut_is_replaced(table):
    """The current page fails as unavailable; the next one has a new connection."""
    with psycopg.connect(table.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'reconciler' AND datname = current_database()"
        )
    with pytest.raises(DatabaseUnavailableError):
        table.store.load(["pi_1"])
    assert len(table.store.load(["pi_1"]).payments) == 1


def test_a_closed_database_is_unavailable(database):
    """A connection asked for after the end raises DatabaseUnavailableError and no error of psycopg's."""
    opened = Database(database)
    with opened:
        pass
    with pytest.raises(DatabaseUnavailableError), opened.connection("testing"):
        pass


def test_no_connection_is_free(database):
    """If all connections are in use, the message says so after a wait."""
    with Database(database, size=1) as opened:
        opened._pool.timeout = 0.05
        with (
            opened.connection("one"),
            pytest.raises(
                DatabaseUnavailableError,
                match="All database connections of this process were in use while Reconciler was two",
            ),
            opened.connection("two"),
        ):
            pass


def test_connections_say_who_they_are(database):
    """application_name is reconciler unless the URL has another; every connection is in autocommit and in UTF-8."""
    with connect(database) as connection:
        assert connection.autocommit
        assert connection.execute("SHOW application_name").fetchone() == ("reconciler",)
        assert connection.execute("SHOW client_encoding").fetchone() == ("UTF8",)
    with connect(f"{database}&application_name=mine") as connection:
        assert connection.execute("SHOW application_name").fetchone() == ("mine",)


@pytest.mark.parametrize(
    ("ending", "threshold"),
    [("", 5), ("&prepare_threshold=none", None), ("&prepare_threshold=0", 0)],
)
def test_prepared_statements_can_be_turned_off(database, ending, threshold):
    """With prepare_threshold=none in the URL no statement is prepared, for a pooler in transaction mode."""
    with connect(database + ending) as connection:
        assert connection.prepare_threshold == threshold
        for _ in range(10):
            connection.execute("SELECT %s::int", [1])
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]
    assert (prepared == 0) is (threshold is None)
