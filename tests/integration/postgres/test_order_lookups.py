"""Lookups by order: the same rows with and without an index on the order, and one scan of the table without one."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture
def orders(shop):
    """Three orders: one with rows of every kind, one that 150 rows share, and one that is not asked for."""
    made = shop()
    made.execute(
        """INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, order_id)
           SELECT n, CASE WHEN n % 3 = 0 THEN NULL WHEN n % 3 = 1 THEN '' ELSE 'pi_' || n END,
               CASE WHEN n % 2 = 0 THEN 'paid' ELSE 'pending' END, 1250, 'eur', now(),
               CASE WHEN n <= 12 THEN 'A' WHEN n <= 462 THEN 'shared' ELSE 'other' END
           FROM generate_series(1, 500) AS n"""
    )
    return made


def found(store) -> list[object]:
    loaded = store.load(["pi_2", "pi_500"], ["A", "shared", "none"])
    rows = (loaded.payments, loaded.claimable, loaded.paid, store.rows_of_orders(["A", "shared"]))
    return [sorted(part, key=lambda row: int(row.key)) for part in rows]


def test_an_index_changes_no_answer(orders, bench):
    """Without one, the rows of all orders of a page come from one scan, and at most as many of each order."""
    without = found(bench(orders, writes=False).store)
    orders.execute("CREATE INDEX ON payments (order_id)")
    assert without == found(bench(orders, writes=False).store)
    assert [len(part) for part in without] == [2, 108, 125, 113]


def test_without_an_index_a_lookup_scans_the_table_once(orders, bench):
    """A page of a hundred orders must not cost a hundred scans."""
    store = bench(orders, writes=False).store
    with psycopg.connect(orders.url) as connection:
        statement = store._table.rows_of_orders
        names = {"orders": [f"o{n}" for n in range(100)]}
        plan = connection.execute(b"EXPLAIN (ANALYZE, COSTS OFF)\n" + statement, names).fetchall()
    scans = [line for (line,) in plan if "Seq Scan on payments" in line]
    assert len(scans) == 1
    assert "loops=1)" in scans[0]
