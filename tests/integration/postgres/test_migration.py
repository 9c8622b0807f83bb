"""migrate creates the schema reconciler once, for any role and any address of the database."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import reconciler.adapters.postgres
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema import migration
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.adapters.postgres.schema.schema_state import pending_migrations, schema_access
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    NewerSchemaError,
    ReconcilerError,
)

FOLDER = Path(reconciler.adapters.postgres.__path__[0]) / "migrations"
ALL = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


def up(url: str) -> tuple[str, ...]:
    return migrate(url, daemon_role=None, auditor_role=None)


def test_pending_names_what_migrate_applies(empty_database):
    """pending_migrations names what migrate would apply and writes nothing; a second migrate applies nothing."""
    assert pending_migrations(empty_database) == ALL
    assert pending_migrations(empty_database) == ALL
    assert up(empty_database) == ALL
    assert pending_migrations(empty_database) == ()
    assert up(empty_database) == ()


def test_nothing_is_created_outside_the_schema(empty_database):
    """The merchant's public schema stays as it was; every table of Reconciler's and of yoyo's is in the schema reconciler."""
    up(empty_database)
    with psycopg.connect(empty_database) as connection:
        rows = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    assert {schema for schema, _ in rows} == {"reconciler"}
    assert {
        "leases", "cursors", "ledger_heads", "rechecks", "events", "sweeps", "sweep_requests",
        "discrepancies", "ledger", "outbox", "reads", "notes", "replicas",
    } <= {table for _, table in rows}  # fmt: skip


def test_every_key_starts_with_the_account(database):
    """Primary and unique keys begin with the account, so that the tables can be partitioned by it."""
    with psycopg.connect(database) as connection:
        first = connection.execute(
            "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c"
            " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
            " WHERE c.contype IN ('p', 'u') AND c.connamespace = 'reconciler'::regnamespace"
            " AND c.conrelid::regclass::text NOT LIKE '%yoyo%'"
        ).fetchall()
    assert len(first) >= 12
    assert {column for _, column in first} == {"account"}


def test_runs_at_the_same_moment_apply_each_migration_once(empty_database):
    """Three runs of migrate at the same moment: one applies everything, the others nothing, and none fails."""
    done: list[tuple[str, ...]] = []
    failed: list[ReconcilerError] = []
    start = threading.Barrier(3)

    def run() -> None:
        start.wait()
        try:
            done.append(up(empty_database))
        except ReconcilerError as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(done) == [(), (), ALL]


def test_a_role_that_holds_the_lock_is_named(empty_database, monkeypatch):
    """Any role may take the lock of the migration: migrate waits for a time, and says who holds it."""
    monkeypatch.setattr(migration, "LONGEST_WAIT_SECONDS", 1)
    with psycopg.connect(empty_database) as holder:
        holder.execute("SELECT pg_advisory_lock(7326624537)")
        pid, role = holder.execute("SELECT pg_backend_pid(), current_user").fetchone()
        with pytest.raises(DatabaseBusyError, match=f'process {pid} of the role "{role}"') as busy:
            up(empty_database)
        assert "pg_terminate_backend" in busy.value.hint
        assert pending_migrations(empty_database) == ALL
    assert up(empty_database) == ALL


def test_a_lock_left_by_a_crash_does_not_block(empty_database):
    """yoyo's lock row, left by a process that died, does not stop a migration."""
    up(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "INSERT INTO reconciler.yoyo_lock (locked, ctime, pid) VALUES (1, now(), 4711)"
        )
        connection.execute("DELETE FROM reconciler._yoyo_migration")
        connection.execute("DROP TABLE reconciler.ledger, reconciler.ledger_heads")
    with pytest.raises(DatabaseRefusedError):
        up(empty_database)  # 0001 is there already, so it fails as a whole
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('reconciler.ledger')").fetchone() == (None,)


def test_a_failing_migration_leaves_nothing(empty_database):
    """A migration that fails is rolled back with its mark, so that it can be applied again."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE SCHEMA reconciler")
        connection.execute(
            "CREATE TABLE reconciler.reads (a int)"
        )  # the last table of the first migration
    with pytest.raises(DatabaseRefusedError):
        up(empty_database)
    assert pending_migrations(empty_database) == ALL
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('reconciler.leases')").fetchone() == (None,)
        connection.execute("DROP TABLE reconciler.reads")
    assert up(empty_database) == ALL


def test_every_kind_of_address_works(empty_database, tmp_path, monkeypatch):
    """A URL with a socket, keywords and a service lead to the same database."""
    given = conninfo_to_dict(empty_database)
    socket = urlencode({"host": given["host"], "user": given["user"]})
    service = tmp_path / "pg_service.conf"
    service.write_text(
        f"[shop]\nhost={given['host']}\nuser={given['user']}\ndbname={given['dbname']}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    addresses = [
        f"postgresql:///{given['dbname']}?{socket}",
        f"postgres:///{given['dbname']}?{socket}&prepare_threshold=none",
        f"host={given['host']} user={given['user']} dbname={given['dbname']}",
        "service=shop",
    ]
    assert up(addresses[0]) == ALL
    assert [pending_migrations(address) for address in addresses] == [()] * 4


def test_a_schema_created_by_an_administrator_is_enough(empty_database, role):
    """A role without CREATE on the database migrates into a schema that it owns."""
    name, as_role = role("owner")
    with psycopg.connect(empty_database) as connection:
        connection.execute(f"CREATE SCHEMA reconciler AUTHORIZATION {name}")
    assert up(as_role(empty_database)) == ALL


def test_an_unknown_role_is_named(empty_database):
    """A role that does not exist is named with the statement that creates it, before anything is migrated or granted."""
    with pytest.raises(
        DatabaseRefusedError, match=r'role shop does not exist.*CREATE ROLE "shop" LOGIN'
    ) as caught:
        migrate(empty_database, daemon_role=None, auditor_role="shop")
    assert caught.value.exit_code == 78
    with psycopg.connect(empty_database) as connection:
        found = connection.execute("SELECT pg_catalog.to_regnamespace('reconciler')").fetchone()
    assert found == (None,)


def apply_later(url: str, *statements: str) -> None:
    """Do what a migration of a newer version does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciler._yoyo_migration (migration_hash, migration_id, applied_at_utc)"
            " VALUES ('x', '0999_later', now())"
        )
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "change", [(), ("ALTER TABLE reconciler.rechecks RENAME TO visits",)], ids=["same", "renamed"]
)
def test_a_newer_schema_is_refused(database, shop, bench, change):
    """Neither the migration, nor a store, nor any other question about the schema accepts it, with any change."""
    made = shop()
    apply_later(database, *change)
    with Database(database) as opened:
        for ask in (
            lambda: up(database),
            lambda: pending_migrations(database),
            lambda: schema_access(opened),
            lambda: bench(made, writes=False),
        ):
            with pytest.raises(NewerSchemaError, match="0999_later") as caught:
                ask()
            assert caught.value.exit_code == 78
            assert "Install" in caught.value.hint


def test_a_newer_schema_is_not_migrated(database):
    """The migration stops before it applies anything."""
    apply_later(
        database, f"DELETE FROM reconciler._yoyo_migration WHERE migration_id = '{ALL[-1]}'"
    )
    with pytest.raises(NewerSchemaError):
        up(database)
    with psycopg.connect(database) as connection:
        applied = connection.execute("SELECT migration_id FROM reconciler._yoyo_migration")
        assert ALL[-1] not in {row[0] for row in applied}


def test_a_role_that_may_not_read_the_schema_is_not_refused(database, shop, bench, role):
    """Such a dry run uses nothing of the schema, so it does not matter which version has migrated it."""
    made = shop()
    name, as_role = role("reader")
    made.execute(f"GRANT SELECT ON payments TO {name}")
    apply_later(database)
    store = bench(made, url=as_role(database), writes=False).store
    assert not store.can_read_schema


def test_no_migration_under_a_process_that_works(empty_database, monkeypatch):
    """A pending migration waits until every lease has ended, names who holds one, and then goes on; without one it never waits."""
    everything = migration.read_migrations

    def without_the_last(source):
        return everything(source).filter(lambda one: one.id != ALL[-1])

    with monkeypatch.context() as earlier:
        earlier.setattr(migration, "read_migrations", without_the_last)
        assert up(empty_database) == ALL[:-1]
        with psycopg.connect(empty_database, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO reconciler.leases (account, epoch, holder, expires_at)"
                " VALUES ('default', 1, 'service@shop-1', now() + interval '1 minute')"
            )
        assert up(empty_database) == ()

    with pytest.raises(DatabaseBusyError, match="service@shop-1 on the account default") as refused:
        up(empty_database)
    assert "systemctl stop reconciler" in str(refused.value.hint)
    assert pending_migrations(empty_database) == ALL[-1:]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE reconciler.leases SET expires_at = now()")
    assert up(empty_database) == ALL[-1:]
