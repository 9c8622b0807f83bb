"""A real PostgreSQL for every test that asks for one.

``RECONCILER_TEST_POSTGRES`` names a folder with PostgreSQL's programs, such as ``/usr/lib/postgresql/15/bin``. If it is
unset, the tests use the server that comes as a wheel. Each process of the test run starts its own server, whose data
would not survive a crash; each test gets a copy of a migrated database. A server that does not start is an error, not a
skip.

``RECONCILER_TEST_SERVER`` names the folder of the socket of a server that runs already: mutation tests share one.

Every run tries the same few examples of Hypothesis. ``RECONCILER_TEST_EXAMPLES=many`` tries more of the same kind, and
``random`` tries new ones.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler import log
from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres, wheel_programs
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import ManualClock
from reconciler.domain.model.payment import StatusMap, TableMapping
from reconciler.domain.outcome import Outcome
from reconciler.errors import ReconcilerError
from tests.kept_connections import close_connections, kept_connection
from tests.shared_collection import collected_folder, order_of_files

# a slow machine is no failure: the time limit of the test run ends what hangs
SLOW_IS_NO_FAILURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# the same examples in every run, so that a failure is of the change that was made
settings.register_profile("repeatable", SLOW_IS_NO_FAILURE, derandomize=True, max_examples=30)
settings.register_profile("many", SLOW_IS_NO_FAILURE, derandomize=True, max_examples=100)
settings.register_profile("random", SLOW_IS_NO_FAILURE, max_examples=100)
settings.load_profile(os.environ.get("RECONCILER_TEST_EXAMPLES", "repeatable"))

if "PYTEST_XDIST_WORKER" in os.environ:
    # even if the environment forbids it: what one process of a run has made of a test's file, the other reads
    sys.dont_write_bytecode = False

TESTS = Path(__file__).parent
LONG = (
    TESTS / "acceptance" / "benchmarks",
    TESTS / "acceptance" / "systemd",
    TESTS / "acceptance" / "package" / "test_wheel.py",
    TESTS / "acceptance" / "service",
    TESTS / "integration" / "engine" / "test_cut_off_sweeps.py",
)
"""Tests of real processes and their intervals, of outages, of a booted machine. Only ``-m long`` runs them."""

SERVER_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    # three replicas that share four accounts open more than forty
    "max_connections=120",
    "shared_buffers=64MB",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=512MB",
)


def _given_programs() -> Path | None:
    """The folder with initdb and pg_ctl that the environment names."""
    named = os.environ.get("RECONCILER_TEST_POSTGRES")
    return Path(named) if named else None


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Dir | None:
    """Share the first collection among the processes of a run."""
    return collected_folder(path, parent)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark the tests of ``LONG``, and bring all tests into the order that every process has."""
    items.sort(key=order_of_files)
    for path, of_file in itertools.groupby(items, lambda item: item.path):
        if any(path.is_relative_to(place) for place in LONG):
            for item in of_file:
                item.add_marker(pytest.mark.long)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage among modules and tests: they stay until the end, and are a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    """Name the server that the tests run against."""
    try:
        program = (_given_programs() or wheel_programs()) / "postgres"
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    except (OSError, ReconcilerError, subprocess.CalledProcessError) as error:
        return f"postgresql: none ({error})"
    return f"postgresql: {answer.stdout.strip()}"


@dataclass(frozen=True)
class Server:
    """A running server, for the length of a test run. Its superuser is ``postgres``, without a password."""

    socket: Path
    """The folder of its socket, and of its data."""

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database; its URL.

        Copying whole files takes a third of the time of copying page by page. It is PostgreSQL 14's only way.
        """
        connection = kept_connection(self.url("postgres"))
        by_files = connection.info.server_version >= 150000
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(
                sql.Identifier(name),
                sql.Identifier(template or "template1"),
                sql.SQL("STRATEGY FILE_COPY" if by_files else ""),
            )
        )
        return self.url(name)

    def drop(self, name: str) -> None:
        close_connections(name)
        kept_connection(self.url("postgres")).execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _fastest_folder() -> str | None:
    """A folder in memory if there is enough of it: copying databases on a busy disk takes longer than the tests."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return str(memory)
    return None


@pytest.fixture
def original_logging() -> Iterator[None]:
    """Restore the process's logging after the test: the program configures it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name in log.QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of this process of the test run.

    As root it runs as another user, who may not enter a private checkout: the server brings its programs along.
    """
    running = os.environ.get("RECONCILER_TEST_SERVER")
    if running:
        yield Server(Path(running))
        return
    # pytest's own folders are too deep: the path of a socket may have about 100 characters
    postgres = EmbeddedPostgres(
        SERVER_SETTINGS, programs=_given_programs(), parent=_fastest_folder()
    )
    try:
        postgres.start()
        yield Server(postgres.folder)
    finally:
        close_connections()
        postgres.stop()


_numbers = itertools.count(1)


def _new_name(purpose: str) -> str:
    """A name that no other process has on a server that several share."""
    return f"{purpose}_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(scope="session")
def migrated_template(server: Server) -> str:
    """The name of a migrated database, from which others are copied. A server that was there before may have it."""
    name = "migrated_template"
    with server.connect() as connection:
        known = "SELECT FROM pg_database WHERE datname = %s"
        if connection.execute(known, (name,)).fetchone() is None:
            migrate(server.create(name), daemon_role=None, auditor_role=None)
    return name


@pytest.fixture
def database(server: Server, migrated_template: str) -> Iterator[str]:
    """The URL of a new database with the schema reconciler and nothing else."""
    name = _new_name("test")
    yield server.create(name, migrated_template)
    server.drop(name)


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """The URL of a new and empty database."""
    name = _new_name("test")
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def role(server: Server) -> Iterator[Callable[[str], tuple[str, Callable[[str], str]]]]:
    """A factory for login roles: the role's name, and a function that turns a database's URL into that role's."""
    names: list[str] = []
    connection = kept_connection(server.url("postgres"))

    def create(purpose: str) -> tuple[str, Callable[[str], str]]:
        name = _new_name(purpose)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        names.append(name)
        return name, lambda url: make_conninfo(url, user=name)

    yield create
    connection = kept_connection(server.url("postgres"))
    used = connection.execute(
        "SELECT DISTINCT datname FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid"
        " WHERE refclassid = 'pg_authid'::regclass AND datallowconn"
        " AND refobjid IN (SELECT oid FROM pg_roles WHERE rolname = ANY (%s))",
        (names,),
    ).fetchall()
    for (database,) in used:
        with server.connect(database) as owned:
            for name in names:
                owned.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    for name in names:
        # what it was granted on databases
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


READ = {
    "pending": Outcome.INCOMPLETE,
    "failed": Outcome.FAILED,
    "processing": Outcome.PROCESSING,
    "authorized": Outcome.AUTHORIZED,
    "paid": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
    "refunded": Outcome.REFUNDED,
    "disputed": Outcome.DISPUTED,
}
STATUSES = StatusMap(read=READ, write={outcome: value for value, outcome in READ.items()})
COLUMNS = {
    "key": ("id", "bigint PRIMARY KEY"),
    "payment_intent": ("stripe_payment_intent_id", "text"),
    "status": ("status", "text"),
    "amount": ("amount", "bigint"),
    "currency": ("currency", "text"),
    "created": ("created_at", "timestamptz"),
    "updated": ("updated_at", "timestamptz"),
    "order": ("order_id", "text"),
}


@dataclass(frozen=True)
class Shop:
    """A merchant's table. Values are written and read under the names of the mapping, such as ``key`` and ``status``."""

    url: str
    mapping: TableMapping
    names: Mapping[str, str]

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(*self.mapping.table.split("."))

    def insert(self, **values: object) -> None:
        """Add a row, such as ``insert(key=1, payment_intent="pi_1", status="pending")``."""
        row = {"amount": 1250, "created": "2026-11-01T10:00:00Z", **values}
        if "currency" in self.names:
            row.setdefault("currency", "eur")
        self.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                self.table,
                sql.SQL(", ").join(sql.Identifier(self.names[part]) for part in row),
                sql.SQL(", ").join(sql.Literal(value) for value in row.values()),
            )
        )

    def rows(self) -> dict[str, dict[str, str | None]]:
        """Every row as text, by key."""
        parts = list(self.names)
        selected = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(self.names[part])) for part in parts
        )
        found = kept_connection(self.url).execute(
            sql.SQL("SELECT {} FROM {}").format(selected, self.table)
        )
        rows = [dict(zip(parts, row, strict=True)) for row in found]
        return {row["key"]: row for row in rows}

    def execute(self, query: str | sql.Composable) -> None:
        kept_connection(self.url).execute(query)


MakeShop = Callable[..., Shop]


@pytest.fixture
def shop(database: str) -> MakeShop:
    """A factory for a merchant's table in ``database``.

    ``columns`` replaces name and type of a part of the mapping; None leaves the part out. ``before`` are statements to
    run first, for a schema or a type. Other arguments are fields of the mapping.
    """

    def make(
        table: str = "public.payments",
        columns: Mapping[str, tuple[str, str] | None] | None = None,
        before: Sequence[str] = (),
        statuses: StatusMap = STATUSES,
        **mapping: object,
    ) -> Shop:
        chosen = {**COLUMNS, **(columns or {})}
        kept = {part: column for part, column in chosen.items() if column is not None}
        names = {part: name for part, (name, _) in kept.items()}
        made = Shop(
            database, TableMapping(table=table, statuses=statuses, **names, **mapping), names
        )
        for query in before:
            made.execute(query)
        body = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in kept.values()
        )
        made.execute(sql.SQL("CREATE TABLE {} ({})").format(made.table, body))
        return made

    return make


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when the test moves it."""
    return ManualClock(datetime(2026, 11, 2, 12, 0, tzinfo=UTC))
