"""A database of the version before: it migrates, keeps its rows, and its ledger still verifies."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import psycopg
import pytest
from yoyo import read_migrations

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.database import Database, connect
from reconciler.adapters.postgres.schema import migration
from reconciler.adapters.postgres.schema.schema_state import pending_migrations
from reconciler.domain.audit.hash_chain import canonical_json, first_break
from reconciler.domain.audit.record_faults import RecordKind

BEFORE = "0007_delivery"
WORDS = "0008_words"
DUE = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
USAGE = {"list": {"limit": 25.0}}
OLD_ACTION = "pass"  # banned-words: allowed - what an old entry of a sweep says


def migrate_up_to(url: str, last: str) -> None:
    """Apply the migrations up to this one, as the version did that brought no later one."""
    with connect(url) as connection:
        connection.execute("CREATE SCHEMA reconciler")
        connection.execute("SET search_path TO reconciler")
        backend = migration._Backend(connection)
        backend.create_lock_table()
        for one in backend.to_apply(read_migrations(migration._SOURCE)):
            if one.id <= last:
                backend.apply_whole(one)


def append(connection: psycopg.Connection, action: str, body: dict[str, object]) -> None:
    connection.execute(
        "SELECT reconciler.append_ledger('default', ARRAY[%s], ARRAY[%s])",
        [action, canonical_json(body)],
    )


@pytest.fixture
def old_database(empty_database: str) -> str:
    """A database of the version before the migration of the words, with a row in every table that it renames."""
    migrate_up_to(empty_database, BEFORE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciler.checks (account, payment_intent, due_at, reason)"
            " VALUES ('default', 'pi_1', %s, 'grace')",
            [DUE],
        )
        connection.execute(
            "INSERT INTO reconciler.reads (account, hour, count, net)"  # banned-words: allowed - old
            " VALUES ('default', '2026-11-02T12:00:00Z', 7, 'window')"
        )
        connection.execute(
            "INSERT INTO reconciler.services (account, holder, epoch, mode, pace, pace_at)"
            " VALUES ('default', 'host:1:abc', 3, 'update', %s, %s)",
            [json.dumps(USAGE), DUE],
        )
        append(connection, "correction", {"key": "1", "asked_by": "service"})
        append(connection, OLD_ACTION, {"sweep": 1})
    return empty_database


def append_now(connection: psycopg.Connection, action: str, body: dict[str, object]) -> None:
    """Append as this version does: under a lease."""
    connection.execute(
        "INSERT INTO reconciler.leases (account, epoch, holder, expires_at)"
        " VALUES ('default', 1, 'me', now() + interval '1 hour')"
    )
    connection.execute(
        "SELECT reconciler.append_ledger('default', 1, ARRAY[%s], ARRAY[%s])",
        [action, canonical_json(body)],
    )


def entries(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT seq, at, action, body, prev, hash FROM reconciler.ledger ORDER BY seq"
        ).fetchall()


def test_rows_are_kept_under_the_new_names(old_database: str) -> None:
    """The tables and columns that were renamed have the rows that they had."""
    applied = migration.migrate(old_database, daemon_role=None, auditor_role=None)
    assert applied[0] == WORDS
    assert pending_migrations(old_database) == ()
    with psycopg.connect(old_database) as connection:
        assert connection.execute(
            "SELECT payment_intent, due_at, reason FROM reconciler.rechecks"
        ).fetchall() == [("pi_1", DUE, "grace")]
        assert connection.execute("SELECT source, count FROM reconciler.reads").fetchall() == [
            ("window", 7)
        ]
        assert connection.execute(
            "SELECT rate_usage, rate_usage_at FROM reconciler.services"
        ).fetchall() == [(USAGE, DUE)]


def test_old_ledger_entries_stay_and_verify(old_database: str) -> None:
    """An entry with an old action keeps its content and its hash, and new entries continue its chain."""
    before = entries(old_database)
    migration.migrate(old_database, daemon_role=None, auditor_role=None)
    assert entries(old_database) == before
    assert [entry[2] for entry in before] == ["correction", OLD_ACTION]

    with psycopg.connect(old_database, autocommit=True) as connection:
        append_now(connection, "sweep", {"sweep": 2})
    with Database(old_database) as database, PostgresLedger(database).chain("default") as chain:
        found = list(chain.entries)
        assert [entry.action for entry in found] == ["correction", OLD_ACTION, "sweep"]
        assert first_break(found, chain.head, "default") is None
    # both recipes are in one chain, and only the later one names the role
    assert [entry.role for entry in found] == [None, None, "postgres"]


def test_old_notes_get_their_ledger_entries(old_database: str) -> None:
    """A note that was added before notes had entries gets one, so that it cannot be changed without a trace."""
    with psycopg.connect(old_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciler.discrepancies (account, subject, kind, keys, severity, state, stake_amount, currency,"
            " local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at) VALUES ('default', 'pi_1',"
            " 'overdue', '{}', 'info', 'open', 1, 'eur', '{}', '{}', '{}', repeat('0', 64), now(), now(), now())"
        )
        for text in ("one", "two ☎"):
            connection.execute(
                "INSERT INTO reconciler.notes (account, discrepancy, author, note)"
                " VALUES ('default', 1, 'ann \"é\"', %s)",
                [text],
            )
    before = len(entries(old_database))
    migration.migrate(old_database, daemon_role=None, auditor_role=None)
    with Database(old_database) as database, PostgresLedger(database).chain("default") as chain:
        found = list(chain.entries)
        assert first_break(found, chain.head, "default") is None
        faults = [fault for fault in chain.record_faults if fault.kind is RecordKind.NOTE]
    assert faults == []
    assert [entry.body["note"] for entry in found[before:]] == [1, 2]
    assert found[-1].body["sha256"] == hashlib.sha256("two ☎".encode()).hexdigest()


def test_a_role_keeps_its_privileges(old_database: str, role) -> None:
    """The daemon may write to a renamed table without another GRANT."""
    name, _ = role("daemon")
    with psycopg.connect(old_database, autocommit=True) as connection:
        connection.execute(f"GRANT DELETE ON reconciler.checks TO {name}")
    migration.migrate(old_database, daemon_role=None, auditor_role=None)
    with psycopg.connect(old_database) as connection:
        assert connection.execute(
            f"SELECT has_table_privilege('{name}', 'reconciler.rechecks', 'DELETE')"
        ).fetchone() == (True,)
