"""The history of one payment is found in a large ledger without a walk through it."""

from __future__ import annotations

import psycopg
import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS

ENTRIES = 10_000
FILL = """
INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash)
SELECT 'default', n, now(), 'finding_opened',
    CASE mod(n, 4)
        WHEN 0 THEN jsonb_build_object('payment_intent', 'pi_' || n / 10)
        WHEN 1 THEN jsonb_build_object('day', n)
        ELSE jsonb_build_object('subject', 'pi_' || n / 10, 'payment_intent', 'pi_other')
    END,
    CASE WHEN n = 1 THEN repeat('0', 64) ELSE repeat('a', 64) END, repeat('b', 64)
FROM generate_series(1, %s) AS n
"""
# ten names: of two payments, and of none
NAMES = ["pi_7", "pi_999", "pi_7", *(f"order-{n}" for n in range(7))]
OF_NAMES = [n for n in range(1, ENTRIES + 1) if n // 10 in {7, 999} and n % 4 != 1]


@pytest.fixture(scope="module")
def filled(server, migrated_template):
    """A database whose ledger has 10,000 entries, and the statistics of it."""
    url = server.create("history_in_large_ledger", migrated_template)
    with Database(url) as database, database.connection("filling") as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(FILL, [ENTRIES])
        connection.execute("ANALYZE reconciler.ledger")
        connection.commit()
    with Database(url) as database:
        yield database
    server.drop("history_in_large_ledger")


def rows_read(connection: psycopg.Connection) -> int:
    """How many rows of the ledger this connection has read, and not yet reported to the server's statistics."""
    row = connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relid = 'reconciler.ledger'::regclass"
    ).fetchone()
    return 0 if row is None else row[0]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("group", "name", "seq"), [("web", "web_payment_entries", 0), ("audit", "ledger_of_payment", 1)]
)
def test_only_the_entries_of_the_payment_are_read(filled, group, name, seq, mode):
    """An index leads to them, also under the plan that PostgreSQL keeps for a statement that is asked often."""
    parameters = {
        "account": "default",
        "names": NAMES,
        "subjects": NAMES,
        "most": 9999,
        "limit": 1000,
    }
    with filled.snapshot("counting the rows that are read") as connection:
        # PostgreSQL walks a ledger of 1,000,000 entries to save itself a sort; this makes a small one tempt it as much
        connection.execute("SET LOCAL enable_sort = off")
        connection.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        before = rows_read(connection)
        rows = connection.execute(STATEMENTS[group][name], parameters, prepare=True).fetchall()
        read = rows_read(connection) - before
    assert sorted(row[seq] for row in rows) == OF_NAMES
    assert read == len(OF_NAMES)
