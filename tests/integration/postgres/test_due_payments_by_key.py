"""Open rows that are due, listed by key while a later recheck waits for most others."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from reconciler.domain.model.time_range import TimeRange
from tests.conftest import COLUMNS

ROWS = 2000


def test_rows_are_not_compared_with_every_recheck(shop, bench, seen):
    """The work grows with the rows, not with their square, also before there are statistics on the rechecks."""
    made = shop()
    key, intent, status, amount, currency = (
        COLUMNS[part][0] for part in ("key", "payment_intent", "status", "amount", "currency")
    )
    made.execute(
        f"INSERT INTO payments ({key}, {intent}, {status}, {amount}, {currency})"
        f" SELECT n, 'pi_' || n, 'pending', 1000, 'eur' FROM generate_series(1, {ROWS}) AS n"
    )
    made.execute("ANALYZE payments")
    ahead = (seen + timedelta(days=1)).isoformat()
    made.execute(
        "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
        f" SELECT 'default', 'pi_' || n, '{ahead}', 'scheduled' FROM generate_series(1, {ROWS}) AS n"
        " WHERE n % 500 <> 0"
    )
    table = bench(made)
    found = table.store.open_payments(TimeRange(), None, 100, seen)
    assert [row.key for row in found] == ["500", "1000", "1500", "2000"]
    assert table.store.count_open(TimeRange(), seen) == 4
    asked = table.store._table.references(TimeRange(), only_open=True, after=False, scheduled=True)
    parameters = {
        "account": "default",
        "open": table.store._table.open_statuses,
        "due_by": seen,
        "limit": 100,
    }
    with psycopg.connect(table.url) as connection:
        plan = connection.execute(b"EXPLAIN " + asked, parameters).fetchall()
    assert not any("Join" in line or "Nested Loop" in line for (line,) in plan), plan
