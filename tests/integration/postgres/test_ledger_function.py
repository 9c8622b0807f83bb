"""Only the functions write the ledger: what the service's role may add, under which lease, and in whose name."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from reconciler.adapters.postgres.audit.ledger import PostgresLedger, append
from reconciler.adapters.postgres.database import Database, connect, map_errors
from reconciler.adapters.postgres.schema.ledger_owner import LEDGER_ROLE, ledger_owner
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.errors import LeaseLostError
from tests.integration.postgres.test_upgrade import migrate_up_to

RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]
LEASE = "INSERT INTO reconciler.leases VALUES ('default', 7, 'me', now() + interval '{}')"
SWEEP = Draft(Action.SWEEP, {"sweep": 1})


@pytest.fixture
def daemon(database: str, role: RoleFactory) -> str:
    """The URL of the service's role, with the rights that migrate gives it and a lease of epoch 7."""
    name, as_role = role("daemon")
    migrate(database, daemon_role=name, auditor_role=None)
    with psycopg.connect(database) as connection:
        connection.execute(LEASE.format("1 hour"))
    return as_role(database)


def error_of(url: str, query: str) -> str | None:
    """The SQLSTATE with which a statement fails, None if it succeeds. Nothing is kept."""
    with psycopg.connect(url) as connection:
        try:
            connection.execute(query)
        except psycopg.Error as error:
            return error.sqlstate
        connection.rollback()
    return None


NOT_THE_SERVICES = (
    (
        "INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash)"
        " VALUES ('default', 1, now(), 'sweep', '{}', repeat('0', 64), repeat('a', 64))"
    ),
    "INSERT INTO reconciler.ledger_heads VALUES ('other', 1, repeat('a', 64))",
    "UPDATE reconciler.ledger_heads SET seq = 9",
    "INSERT INTO reconciler.notes (account, discrepancy, note) VALUES ('default', 1, 'x')",
    "DELETE FROM reconciler.outbox",
    "SELECT reconciler.append_entries('default', '{sweep}', '{\"{}\"}')",
    "SELECT reconciler.append_ledger('default', 7, '{note}', '{\"{}\"}')",
    "SELECT reconciler.append_ledger('default', 7, '{sweep,made_up}', '{\"{}\",\"{}\"}')",
    "SELECT reconciler.append_ledger('default', 7, '{sweep}', '{\"{}\",\"{}\"}')",
    "SELECT reconciler.append_ledger('default', NULL, '{correction}', '{\"{}\"}')",
    "SELECT reconciler.append_ledger('default', NULL, '{resolution}', ARRAY['{\"asked_by\":\"service\"}'])",
    "SELECT reconciler.append_ledger('default', 7, '{rebind}', '{\"{}\"}')",
    "SELECT reconciler.append_ledger('default', NULL, '{migration}', '{\"{}\"}')",
    "SELECT reconciler.append_ledger('default', NULL, '{configuration}', '{\"{}\"}')",
    f"SET ROLE {LEDGER_ROLE}",
)


def test_the_services_role_may_not(daemon: str) -> None:
    """Write an entry or a note itself, move a head, delete an outbox row, or have the function write what is not its."""
    failed = {query: error_of(daemon, query) for query in NOT_THE_SERVICES}
    assert failed == dict.fromkeys(NOT_THE_SERVICES, "42501")


@pytest.mark.parametrize("change", ["epoch = 8", "expires_at = now()", "account = 'other'"])
def test_entries_of_the_service_need_its_lease(daemon: str, database: str, change: str) -> None:
    """Without a live lease of that epoch nothing is added, and the error is that of a lost lease."""
    with psycopg.connect(database) as connection:
        connection.execute(f"UPDATE reconciler.leases SET {change}")  # type: ignore[call-overload]
    with (
        pytest.raises(LeaseLostError),
        map_errors("appending"),
        connect(daemon) as connection,
    ):
        append(connection, "default", 7, [SWEEP])
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM reconciler.ledger").fetchone() == (0,)


def test_an_entry_names_the_role_that_connected(daemon: str) -> None:
    """The function sets role, time and hash; a person's verdict needs no lease; the chain verifies."""
    with connect(daemon) as connection:
        append(connection, "default", 7, [SWEEP, SWEEP])
        append(connection, "default", None, [Draft(Action.RESOLUTION, {"asked_by": "jo@host"})])
        name = connection.info.user
    with Database(daemon) as database, PostgresLedger(database).chain("default") as chain:
        entries = list(chain.entries)
        assert first_break(entries, chain.head, "default") is None
    assert [(entry.seq, entry.role) for entry in entries] == [(n, name) for n in (1, 2, 3)]


def test_the_functions_belong_to_a_role_that_owns_nothing_else(daemon: str, database: str) -> None:
    """It cannot log in, has no right on a row of the merchant's, and PUBLIC may not call its functions."""
    assert ledger_owner(database) == LEDGER_ROLE
    with psycopg.connect(database) as connection:
        owned = connection.execute(
            "SELECT classid::regclass::text, count(*) FROM pg_shdepend WHERE deptype = 'o'"
            " AND refobjid = %s::regrole AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " GROUP BY 1",
            [LEDGER_ROLE],
        ).fetchall()
        assert owned == [("pg_proc", 5)]
        assert connection.execute(
            "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = %s", [LEDGER_ROLE]
        ).fetchone() == (False, False)
        assert connection.execute(
            "SELECT f.oid::regprocedure::text FROM pg_proc AS f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner)))"
            " AS a WHERE f.pronamespace = 'reconciler'::regnamespace AND a.grantee = 0"
        ).fetchall() == []  # fmt: skip
        assert connection.execute(
            "SELECT has_schema_privilege(%s, 'reconciler', 'CREATE')", [LEDGER_ROLE]
        ).fetchone() == (False,)


@pytest.mark.parametrize("may_create_roles", [True, False])
def test_a_role_that_is_no_superuser_migrates(
    server, empty_database: str, role: RoleFactory, may_create_roles: bool
) -> None:
    """With CREATEROLE the functions get their own owner; without, they stay with the role that migrates.

    The role of the ledger may exist in the server: a role that may not act for it goes on as if it could not create it.
    """
    migrator, as_migrator = role("migrator")
    daemon, as_daemon = role("daemon")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            f"ALTER ROLE {migrator} {'CREATEROLE' if may_create_roles else 'NOCREATEROLE'}"
        )  # type: ignore[call-overload]
        connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {migrator}")  # type: ignore[call-overload]
        if (
            may_create_roles
            and connection.execute(
                "SELECT FROM pg_roles WHERE rolname = %s", [LEDGER_ROLE]
            ).fetchone()
            is not None
        ):
            # as if this role had created it
            connection.execute(f"GRANT {LEDGER_ROLE} TO {migrator} WITH ADMIN OPTION")
    url = as_migrator(empty_database)
    migrate(url, daemon_role=daemon, auditor_role=None)
    assert migrate(url, daemon_role=daemon, auditor_role=None) == ()
    assert ledger_owner(url) == (LEDGER_ROLE if may_create_roles else migrator)
    with psycopg.connect(empty_database) as connection:
        connection.execute(LEASE.format("1 hour"))
    url = as_daemon(empty_database)
    with connect(url) as connection:
        append(connection, "default", 7, [SWEEP])
    assert (
        error_of(url, "INSERT INTO reconciler.ledger_heads VALUES ('x', 0, repeat('0', 64))")
        == "42501"
    )
    with psycopg.connect(empty_database) as connection:
        connection.execute("DROP SCHEMA reconciler CASCADE")


def test_an_upgrade_takes_the_old_rights_away(empty_database: str, role: RoleFactory) -> None:
    """A role that could insert entries may call the functions instead, without a GRANT by hand."""
    name, as_role = role("daemon")
    migrate_up_to(empty_database, "0013_pauses")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for right in (
            "USAGE ON SCHEMA reconciler",
            "SELECT ON ALL TABLES IN SCHEMA reconciler",
            "INSERT ON reconciler.ledger, reconciler.notes",
            "INSERT, UPDATE ON reconciler.ledger_heads, reconciler.leases",
            "INSERT, DELETE ON reconciler.outbox",
            "EXECUTE ON FUNCTION reconciler.append_ledger(text, text[], text[])",
        ):
            connection.execute(f"GRANT {right} TO {name}")  # type: ignore[call-overload]
    migrate(empty_database, daemon_role=None, auditor_role=None)
    with psycopg.connect(empty_database) as connection:
        connection.execute(LEASE.format("1 hour"))
    url = as_role(empty_database)
    with connect(url) as connection:
        append(connection, "default", 7, [SWEEP])
    for query in (
        "INSERT INTO reconciler.notes (account, discrepancy, note) VALUES ('default', 1, 'x')",
        "UPDATE reconciler.ledger_heads SET seq = 9",
        "DELETE FROM reconciler.outbox",
    ):
        assert error_of(url, query) == "42501"
