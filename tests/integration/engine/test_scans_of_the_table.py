"""A table without an index for the lookups of a page: several pages share one scan, also when all of them are late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.adapters.postgres.page import store
from reconciler.engine.report import SweepKind, SweepReport
from tests.conftest import MakeShop
from tests.integration.engine.sweeps import LAST_WEEK, SweepRunner
from tests.kept_connections import kept_connection

PAGES = 6
PAGES_TOGETHER = 3
WRONG_ROWS = 3
"""So many rows of each page are to be corrected."""


class SlowStore:
    """A store with a table so large that a scan for several pages takes 12 s: then their answers are old."""

    def __init__(self, wrapped: object, sweeps: SweepRunner) -> None:
        self._store = wrapped
        self._sweeps = sweeps

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def load_pages(self, pages: object) -> object:
        loaded = self._store.load_pages(pages)  # type: ignore[attr-defined]
        self._sweeps.clock.advance(timedelta(seconds=12))
        return loaded


def scans(sweeps: SweepRunner) -> int:
    """How often the table was read whole so far."""
    connection = kept_connection(sweeps.shop.url)
    # a session reports its scans when it ends, and that takes a moment after the sweep has closed it
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while connection.execute(others).fetchone() is not None:
        pass
    connection.execute("SELECT pg_stat_force_next_flush()")
    query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'payments'"
    row = connection.execute(query).fetchone()
    return 0 if row is None else row[0]


def window(sweeps: SweepRunner) -> tuple[SweepReport, int]:
    """A window sweep, and how many scans it needed."""
    before = scans(sweeps)
    report = sweeps.run(SweepKind.WINDOW)
    assert report.complete
    return report, scans(sweeps) - before


@pytest.fixture
def unindexed(shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> SweepRunner:
    """A sweep of six pages over a table with an index on the key and the time alone. Each intent names its order."""
    monkeypatch.setattr(store, "PAGES_TOGETHER", PAGES_TOGETHER)
    sweeps = SweepRunner(shop())
    sweeps.with_rules(link_metadata="order_id")
    sweeps.shop.execute("CREATE INDEX ON payments (created_at)")
    # a small table would be read whole even if an index served, and each parallel worker counts a scan
    for setting in ("enable_seqscan = off", "max_parallel_workers_per_gather = 0"):
        sweeps.shop.execute(
            f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"
        )
    sweeps.shop.execute(
        f"""INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, order_id)
            SELECT n, 'pi_' || n, CASE WHEN n % 100 < {WRONG_ROWS} THEN 'pending' ELSE 'paid' END, 1000, 'eur',
                timestamptz '{LAST_WEEK.isoformat()}' - n * interval '1 minute', 'o' || n
            FROM generate_series(0, {PAGES * 100 - 1}) AS n"""
    )
    for number in range(PAGES * 100):
        created = LAST_WEEK - timedelta(minutes=number)
        sweeps.add_intent(f"pi_{number}", created=created, metadata={"order_id": f"o{number}"})
    return sweeps


def test_pages_that_are_late_do_not_cost_a_scan_each(unindexed: SweepRunner) -> None:
    """The answers are older than 10 s when their rows are loaded. The pages of one load are still recorded together."""
    unindexed.wrap = lambda wrapped: SlowStore(wrapped, unindexed)  # type: ignore[assignment,return-value]
    report, count = window(unindexed)
    assert (report.examined, report.corrected) == (PAGES * 100, PAGES * WRONG_ROWS)
    # one to load and one to record, for each group of pages
    assert count == 2 * PAGES / PAGES_TOGETHER


def test_rows_with_another_order_than_stripe_names_cost_one_scan_more(
    unindexed: SweepRunner,
) -> None:
    """Their paid siblings are found all the same: of six payments of one order, the sweep reports the later five."""
    unindexed.shop.execute("UPDATE payments SET order_id = 'own' WHERE id % 100 = 50")
    report, count = window(unindexed)
    assert report.corrected == PAGES * WRONG_ROWS
    assert report.discrepancies["duplicate_payment"] == 5
    # two to load each group of pages, and one to record them all
    assert count == 2 * PAGES / PAGES_TOGETHER + 1
