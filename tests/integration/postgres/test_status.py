"""Statements for status, metrics and the hourly limit read little of tables that have grown."""

from __future__ import annotations

import pytest

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.statements import STATEMENTS


@pytest.fixture
def table(shop, bench):
    return bench(shop())


def record_sweep(table, kind: str, complete: bool | None) -> int:
    """A sweep; ``complete`` is None if it is running."""
    sweep = table.store.start_sweep(
        {"kind": kind, "mode": "update", "applied": True, "asked_by": "service"}
    )
    if complete is not None:
        report = {"complete": complete, "stopped": None if complete else "an outage"}
        table.store.finish_sweep(sweep, report, [], table.epoch)
    return sweep


def test_the_last_sweeps_of_each_kind(table):
    """The last complete one and the last that ended, of every kind, and of no other account."""
    status = PostgresStatus(table.database, "default")
    assert status.sweeps() == []
    due = record_sweep(table, "due", complete=True)
    failed = record_sweep(table, "due", complete=False)
    record_sweep(table, "tail", complete=None)
    window = record_sweep(table, "window", complete=True)
    found = {row[0]: (row[1], row[5], row[7], row[8]) for row in status.sweeps()}
    assert found == {
        "due": (due, failed, False, "an outage"),
        "tail": (None, None, None, None),
        "window": (window, window, True, None),
    }
    assert PostgresStatus(table.database, "other").sweeps() == []


def test_why_the_last_sweep_was_not_complete(table):
    """Of a sweep that went to its end without Stripe's answers, the most frequent reason of what it did not examine."""
    sweep = table.store.start_sweep(
        {"kind": "due", "mode": "update", "applied": True, "asked_by": "service"}
    )
    missed = [
        {"count": 9, "what": ["pi_1"], "why": "Stripe refused the connection."},
        {"count": 1, "what": ["pi_2"], "why": "cut short."},
    ]
    report = {"complete": False, "stopped": None, "not_examined": missed}
    table.store.finish_sweep(sweep, report, [], table.epoch)
    ((*_, why, _, _, _, _),) = PostgresStatus(table.database, "default").sweeps()
    assert why == "Stripe refused the connection."


def rows_read(node: dict) -> int:
    """How many rows all steps of a plan gave or left out."""
    below = sum(rows_read(child) for child in node.get("Plans", ()))
    given = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return below + int(given * node["Actual Loops"])


def test_the_kinds_are_found_without_reading_every_sweep(table):
    """20,000 sweeps of three kinds are not read for three lines."""
    table.all(
        "INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by, finished_at, complete, report)"
        " SELECT 'default', CASE mod(n, 3) WHEN 0 THEN 'due' WHEN 1 THEN 'tail' ELSE 'window' END,"
        " 'update', true, 'service', now(), true, '{}'"
        " FROM generate_series(1, 20000) AS n RETURNING 1"
    )
    with table.database.connection("explaining") as connection:
        connection.execute("ANALYZE reconciler.sweeps")
        asked = b"EXPLAIN (ANALYZE, FORMAT JSON) " + STATEMENTS["coordination"]["status_sweeps"]
        [plan] = connection.execute(asked, {"account": "default"}).fetchone()
    assert rows_read(plan[0]["Plan"]) < 200
    assert len(PostgresStatus(table.database, "default").sweeps()) == 3


def test_the_hourly_limit_reads_only_the_hours_corrections(table):
    """Every page that corrects counts the corrections of the hour, and reads no older ones."""
    table.all(
        "INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash)"
        " SELECT 'default', n, now() - (20001 - n) * interval '1 minute', 'correction',"
        " jsonb_build_object('asked_by', CASE WHEN mod(n, 3) = 0 THEN 'ann' ELSE 'service' END),"
        " CASE WHEN n = 1 THEN repeat('0', 64) ELSE repeat('a', 64) END, repeat('b', 64)"
        " FROM generate_series(1, 20000) AS n RETURNING 1"
    )
    with table.database.connection("explaining") as connection:
        connection.execute("ANALYZE reconciler.ledger")
        asked = b"EXPLAIN (ANALYZE, FORMAT JSON) " + STATEMENTS["page"]["corrections_by_service"]
        parameters = {"account": "default", "seconds": 3600}
        [plan] = connection.execute(asked, parameters).fetchone()
    assert rows_read(plan[0]["Plan"]) < 200
    assert table.store.corrections_by_service(3600) == 40
