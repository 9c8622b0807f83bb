"""Rows counted by time: only from the first due row to the last, and by an index."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import NEXT_POLL, Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import Histogram
from tests.some_quick import some_quick

MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(seconds=0.25)
KINDS = {
    "timestamptz": (None, lambda moment: moment),
    "timestamp": (None, lambda moment: moment.replace(tzinfo=None)),
    "date": (None, lambda moment: moment.date()),
    "integer": ("s", lambda moment: int(moment.timestamp())),
    "bigint": ("ms", lambda moment: int(moment.timestamp() * 1000)),
    "numeric": ("s", lambda moment: f"{int(moment.timestamp())}.25"),
}


@pytest.fixture(params=KINDS)
def a_month(request, shop, bench):
    """Thirty days with a row each, at midnight; those of the 10th, 12th and 20th are open."""
    unit, stored = KINDS[request.param]
    made = shop(columns={"created": ("created", request.param)}, created_unit=unit)
    for day in range(30):
        status = "pending" if day in (10, 12, 20) else "paid"
        moment = stored(MIDNIGHT + day * DAY)
        made.insert(key=day, payment_intent=f"pi_{day}", status=status, created=moment)
    return bench(made)


def covers(histogram: Histogram, first: int, last: int) -> bool:
    """Whether it goes from one day to another, at most four days further, and holds every row of that time."""
    since, until = histogram.buckets[0].start, histogram.buckets[-1].end
    times = [MIDNIGHT + day * DAY + QUARTER for day in range(30)]
    between = sum(since <= moment < until for moment in times)
    assert sum(bucket.rows for bucket in histogram.buckets) == between
    return times[first] - 4 * DAY < since <= times[first] and (
        times[last] < until < times[last] + 4 * DAY
    )


def test_all_rows_around_those_that_are_due_are_counted(a_month):
    """From the first due row to the last; rows before and after are not counted."""
    found = a_month.store.histogram(TimeRange(), 1.0)
    assert (found.due, found.undated) == (3, 0)
    assert covers(found, 10, 20)
    for day in (10, 12, 20):
        moment = MIDNIGHT + day * DAY + QUARTER
        assert any(one.due and one.start <= moment < one.end for one in found.buckets)


def test_only_rows_of_the_range_are_counted(a_month):
    """Due rows outside of the range are not counted."""
    created = TimeRange(MIDNIGHT + 11 * DAY, MIDNIGHT + 15 * DAY)
    found = a_month.store.histogram(created, 1.0)
    assert [(bucket.rows, bucket.due) for bucket in found.buckets] == [(1, 1)]
    found = a_month.store.histogram(TimeRange(until=MIDNIGHT + 12 * DAY), 1.0)
    assert (found.due, found.buckets[-1].end <= MIDNIGHT + 12 * DAY) == (1, True)


def test_rows_that_are_not_due_yet_do_not_widen_the_histogram(a_month, seen):
    """A row that a later recheck waits for is not due, and the histogram ends before it."""
    a_month.write(
        PageRecord(
            rechecks=(
                Recheck("pi_20", seen + DAY, NEXT_POLL),
                Recheck("pi_10", seen - DAY, NEXT_POLL),
            )
        )
    )
    found = a_month.store.histogram(TimeRange(), 1.0, seen)
    assert found.due == 2
    assert covers(found, 10, 12)


def test_if_nothing_is_due_nothing_is_counted(a_month, seen, monkeypatch):
    """The histogram is empty, and the other rows are not counted."""
    rechecks = (Recheck(f"pi_{day}", seen + DAY, NEXT_POLL) for day in (10, 12, 20))
    a_month.write(PageRecord(rechecks=tuple(rechecks)))
    monkeypatch.delattr(MerchantTable, "histogram")
    assert a_month.store.histogram(TimeRange(), 1.0, seen) == Histogram(())


def test_a_known_skew_widens_the_histogram(a_month):
    """A list from Stripe is widened by the skew, so the rows beyond the last due one belong to its price."""
    sweep = a_month.store.start_sweep(
        {"kind": "window", "mode": "update", "applied": True, "asked_by": "service"}
    )
    statistics = {
        "listed": 1,
        "listed_rows": 1,
        "skew_earliest": -DAY.total_seconds(),
        "skew_latest": DAY.total_seconds(),
    }
    a_month.store.finish_sweep(sweep, {"complete": True, **statistics}, [], a_month.epoch)
    found = a_month.store.histogram(TimeRange(), 1.0)
    assert found.due == 3
    assert covers(found, 9, 21)


@some_quick("when", ["infinity", "-infinity", "20000-01-01", "0001-06-01", None], quick=3)
@pytest.mark.parametrize("alone", [True, False])
def test_due_rows_without_a_time_are_counted_apart(shop, bench, when, alone):
    """They are in no bucket and do not widen the histogram; a bounded range does not have them."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending", created=when)
    made.insert(key=2, payment_intent="pi_2", status="paid", created=when)
    if not alone:
        made.insert(key=3, payment_intent="pi_3", status="pending", created=MIDNIGHT)
    store = bench(made).store
    found = store.histogram(TimeRange(), 1.0)
    assert (found.undated, found.due) == (1, 1 if alone else 2)
    assert [bucket.rows for bucket in found.buckets] == ([] if alone else [1])
    bounded = store.histogram(TimeRange(MIDNIGHT - DAY, MIDNIGHT + DAY), 1.0)
    assert (bounded.undated, bounded.due) == (0, 0 if alone else 1)


def test_the_oldest_and_the_newest_time_that_counts(shop, bench):
    """Wide buckets begin before the first row and end after the last: both must be times that Python has."""
    made = shop()
    for key, when in enumerate(["0002-01-01T00:00:00Z", "8999-12-30T00:00:00Z"]):
        made.insert(key=key, payment_intent=f"pi_{key}", status="pending", created=when)
    found = bench(made).store.histogram(TimeRange(), 1.0)
    assert [(bucket.rows, bucket.due) for bucket in found.buckets] == [(1, 1), (1, 1)]


def test_the_index_on_created_is_used(shop, bench, seen):
    """Due rows of three days, of two years of rows, are counted without reading the whole table."""
    made = shop()
    made.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
        " SELECT n, 'pi_' || n, CASE WHEN n > 19950 THEN 'pending' ELSE 'paid' END, 1, 'eur',"
        " timestamptz '2026-11-01' - (20000 - n) * interval '1 hour' FROM generate_series(1, 20000) AS n"
    )
    made.execute("CREATE INDEX ON payments (created_at)")
    made.execute("ANALYZE payments")
    table = bench(made).store._table
    created = TimeRange(MIDNIGHT - 3 * DAY, MIDNIGHT)
    parameters = {
        **table.range_parameters(created),
        "account": "default",
        "open": table.open_statuses,
        "due_by": seen,
        "width": timedelta(hours=1),
    }
    with psycopg.connect(made.url) as connection:
        for scheduled in (False, True):
            asked = b"EXPLAIN " + table.histogram(created, scheduled=scheduled)
            plan = "\n".join(row[0] for row in connection.execute(asked, parameters))
            assert "payments_created_at_idx" in plan
            assert "Seq Scan on payments" not in plan


def test_counting_has_its_own_timeout(shop, bench):
    """A statement that may read the whole table may take a minute, and no other statement may."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending")
    made.insert(key=2, payment_intent=None, status="pending")
    made.execute(
        "CREATE VIEW hasty AS SELECT * FROM payments WHERE current_setting('statement_timeout') = '1min'"
    )
    # connections through a pooler have no other limit
    hasty = replace(made, mapping=replace(made.mapping, table="hasty"))
    table = bench(hasty, url=f"{made.url}&prepare_threshold=none", writes=False)
    store = table.store
    assert store.count_open(TimeRange()) == 1
    assert store.count_between(TimeRange()) == 1
    assert store.histogram(TimeRange(), 1.0).due == 1
    status = PostgresStatus(table.database, "default")
    assert status.open_payments(store._table) == ({"incomplete": 1}, 1)
    assert store.payments_between(TimeRange(), None, 10) == ()
