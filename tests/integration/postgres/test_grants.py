"""What the two roles may do in the schema reconciler, as the catalog says, is the list of the code, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from reconciler.adapters.postgres.database import Database, connect
from reconciler.adapters.postgres.schema.grants import (
    RIGHTS,
    Right,
    RoleKind,
    compare_daemons_rights,
    rights_of,
)
from reconciler.adapters.postgres.schema.migration import migrate

RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]


@pytest.fixture
def roles(database: str, role: RoleFactory) -> dict[RoleKind, tuple[str, str]]:
    """Name and URL of each role, with the rights that migrate gives."""
    made = {kind: role(kind.value) for kind in RoleKind}
    names = {kind: name for kind, (name, _) in made.items()}
    migrate(
        database,
        daemon_role=names[RoleKind.DAEMON],
        auditor_role=names[RoleKind.AUDITOR],
        worker_role=names[RoleKind.WORKER],
        web_role=names[RoleKind.WEB],
    )
    return {kind: (name, as_role(database)) for kind, (name, as_role) in made.items()}


@pytest.mark.parametrize("kind", RoleKind)
def test_a_role_may_do_what_is_listed_and_nothing_else(
    database: str, roles: dict[RoleKind, tuple[str, str]], kind: RoleKind
) -> None:
    """Tables, columns, sequences, functions and the schema itself."""
    with connect(database) as connection:
        assert rights_of(connection, roles[kind][0]) == RIGHTS[kind]


def test_migrate_takes_away_what_is_not_listed(
    database: str, roles: dict[RoleKind, tuple[str, str]]
) -> None:
    """Rights that were granted by hand or by an earlier version are gone after migrate."""
    name = roles[RoleKind.DAEMON][0]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"GRANT ALL ON reconciler.ledger, reconciler.outbox TO {name}")  # type: ignore[call-overload]
        connection.execute(f"GRANT UPDATE (note) ON reconciler.notes TO {name}")  # type: ignore[call-overload]
        connection.execute(f"GRANT CREATE ON SCHEMA reconciler TO {name}")  # type: ignore[call-overload]
        connection.execute(f"REVOKE SELECT ON reconciler.sweeps FROM {name}")  # type: ignore[call-overload]
    migrate(database, daemon_role=name, auditor_role=None)
    with connect(database) as connection:
        assert rights_of(connection, name) == RIGHTS[RoleKind.DAEMON]


def test_the_difference_is_found_and_its_statements_correct_it(
    database: str, roles: dict[RoleKind, tuple[str, str]]
) -> None:
    """A right too few has its GRANT, one too many its REVOKE, and both work as they stand."""
    name, url = roles[RoleKind.DAEMON]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"REVOKE UPDATE ON reconciler.leases FROM {name}")  # type: ignore[call-overload]
        connection.execute(f"GRANT INSERT ON reconciler.ledger TO {name}")  # type: ignore[call-overload]
        connection.execute(f"GRANT UPDATE (note) ON reconciler.notes TO {name}")  # type: ignore[call-overload]
    with Database(url) as opened:
        found = compare_daemons_rights(opened)
        assert found is not None
        assert found.missing == (Right("TABLE", "leases", "UPDATE"),)
        assert found.excess == (
            Right("TABLE", "ledger", "INSERT"),
            Right("TABLE", "notes", "UPDATE", ("note",)),
        )
        with psycopg.connect(database, autocommit=True) as connection:
            for right in found.missing:
                connection.execute(right.statement("GRANT", name))  # type: ignore[call-overload]
            for right in found.excess:
                connection.execute(right.statement("REVOKE", name))  # type: ignore[call-overload]
        found = compare_daemons_rights(opened)
        assert found is not None
        assert (found.missing, found.excess) == ((), ())


def test_the_right_to_maintain_is_too_much(
    database: str, roles: dict[RoleKind, tuple[str, str]]
) -> None:
    """PostgreSQL 17 and later: who may VACUUM FULL or LOCK a table of Reconciler's can stop it; migrate takes that away."""
    name, url = roles[RoleKind.DAEMON]
    with psycopg.connect(database, autocommit=True) as connection:
        if connection.info.server_version < 170000:
            pytest.skip("this PostgreSQL does not know the right")
        connection.execute(f"GRANT MAINTAIN ON reconciler.ledger TO {name}")  # type: ignore[call-overload]
    with Database(url) as as_daemon:
        found = compare_daemons_rights(as_daemon)
    assert found is not None
    (excess,) = found.excess
    assert excess == Right("TABLE", "ledger", "MAINTAIN")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(excess.statement("REVOKE", name))  # type: ignore[call-overload]
    with connect(database) as connection:
        assert rights_of(connection, name) == RIGHTS[RoleKind.DAEMON]


def test_an_owner_and_an_absent_schema_are_not_compared(database: str, empty_database: str) -> None:
    """A superuser may do everything; without the schema there is nothing to compare."""
    for url in (database, empty_database):
        with Database(url) as opened:
            assert compare_daemons_rights(opened) is None
