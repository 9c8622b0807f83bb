"""The search for due rows on tables of every kind, and what is counted near them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from reconciler.adapters.postgres.page.due_row_search import PostgresDueRows
from reconciler.domain.model.due_row import DueRow, KnownRows
from reconciler.domain.model.looked_up_id import IdPair
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import NEXT_POLL, Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import ListingModel
from reconciler.errors import LeaseLostError
from tests.integration.postgres.conftest import SEEN, Bench
from tests.integration.postgres.test_histogram import KINDS
from tests.some_quick import some_quick

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MIDNIGHT = SEEN.replace(hour=0)
RECENT = KnownRows((), SEEN - HOUR)


def search(table: Bench) -> PostgresDueRows:
    return PostgresDueRows(table.database, table.store, "default")


def keys(found: tuple[DueRow, ...] | None) -> list[str]:
    assert found is not None
    return sorted(row.reference.key for row in found)


def polled(intent: str, due_at: datetime) -> Recheck:
    return Recheck(intent, due_at, NEXT_POLL)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_found_by_its_recheck_its_time_and_its_id(
    kind: str, shop: Callable, bench: Callable
) -> None:
    """With every type of time. A row of today counts as new, also where a column holds the date alone."""
    unit, stored = KINDS[kind]
    made = shop(columns={"created": ("created", kind)}, created_unit=unit)
    # 1 and 2 have a recheck, 3 was left by the last search, 4 is new, 5 is settled, and nothing tells 6
    for number in range(1, 7):
        created = SEEN if number == 4 else SEEN - 20 * DAY
        status = "paid" if number == 5 else "pending"
        made.insert(
            key=number, payment_intent=f"pi_{number}", status=status, created=stored(created)
        )
    table = bench(made)
    table.write(PageRecord(rechecks=(polled("pi_1", SEEN), polled("pi_2", SEEN + HOUR))))
    table.write(PageRecord(rechecks=(polled("pi_5", SEEN - DAY),)))
    found = search(table)
    assert keys(found.due_rows(SEEN, None, 10)) == ["1", "3", "4", "6"]
    assert keys(found.due_rows(SEEN, KnownRows(("pi_3",), SEEN - HOUR), 10)) == ["1", "3", "4"]


def test_more_rows_than_asked_for_are_none(shop: Callable, bench: Callable) -> None:
    """Neither search returns a part of what is due."""
    made = shop()
    for number in range(3):
        made.insert(
            key=number, payment_intent=f"pi_{number}", status="pending", created=SEEN.isoformat()
        )
    found = search(bench(made))
    assert keys(found.due_rows(SEEN, RECENT, 3)) == ["0", "1", "2"]
    assert found.due_rows(SEEN, RECENT, 2) is None
    assert found.due_rows(SEEN, None, 2) is None
    assert found.due_rows(SEEN, KnownRows(("pi_7", "pi_8", "pi_9"), SEEN), 2) is None


def test_a_row_of_a_checkout_session_is_found_by_the_recheck_of_its_intent(
    shop: Callable, bench: Callable
) -> None:
    """Its due row names the intent, so that its planned poll stays."""
    made = shop()
    made.insert(key=1, payment_intent="cs_1", status="pending")
    table = bench(made)
    table.store.remember_pairs([IdPair("cs_1", "pi_1", None)], store=True)
    table.write(PageRecord(rechecks=(polled("pi_1", SEEN),)))
    (row,) = search(table).due_rows(SEEN, RECENT, 10) or ()
    assert (row.reference.payment_intent, row.intent) == ("cs_1", "pi_1")


def test_a_client_secret_stays_in_the_database(shop: Callable, bench: Callable) -> None:
    """The row is found by the id in front of it, and neither of its ids has the secret."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1_secret_abc", status="pending")
    table = bench(made)
    table.write(PageRecord(rechecks=(polled("pi_1", SEEN),)))
    found = search(table)
    for known in (None, RECENT):
        (row,) = found.due_rows(SEEN, known, 10) or ()
        assert (row.reference.payment_intent, row.intent) == ("pi_1", "pi_1")
        assert row.reference.holds_secret


def test_needless_polls_are_removed_under_the_lease(shop: Callable, bench: Callable) -> None:
    """Those that are due and not needed. A lost lease removes nothing."""
    table = bench(shop())
    table.write(
        PageRecord(
            rechecks=(
                polled("pi_1", SEEN),
                polled("pi_2", SEEN),
                polled("pi_3", SEEN + HOUR),
                Recheck("pi_4", SEEN, "a verdict is missing"),
            )
        )
    )
    found = search(table)
    with pytest.raises(LeaseLostError):
        found.remove_needless_polls(SEEN, ["pi_2"], table.epoch + 1)
    left = "SELECT payment_intent FROM reconciler.rechecks ORDER BY 1"
    assert len(table.all(left)) == 4
    found.remove_needless_polls(SEEN, ["pi_2"], table.epoch)
    assert table.all(left) == [("pi_2",), ("pi_3",), ("pi_4",)]


@pytest.mark.parametrize("indexed", [True, False])
@some_quick("kind", KINDS, quick=3)
def test_rows_near_due_ones_are_counted(
    kind: str, indexed: bool, shop: Callable, bench: Callable
) -> None:
    """Between neighbours all rows are counted; nothing is, where many rows lie between. With an index and without."""
    unit, stored = KINDS[kind]
    made = shop(columns={"created": ("created", kind)}, created_unit=unit)
    if indexed:
        made.execute("CREATE INDEX ON payments (created)")
    at = {1: MIDNIGHT - 9 * DAY, 2: MIDNIGHT - 8 * DAY, 3: MIDNIGHT - 7 * DAY, 9: MIDNIGHT}
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.cursor().executemany(
            b"INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created)"
            b" VALUES (%s, %s, %s, 1, 'eur', %s)",
            [
                *((key, f"pi_{key}", "pending", stored(when)) for key, when in at.items()),
                (20, "pi_20", "paid", stored(at[2])),
                (21, "pi_21", "pending", None),
                *(
                    (100 + n, f"pi_{100 + n}", "paid", stored(at[3] + DAY + n * timedelta(minutes=20)))
                    for n in range(300)
                ),
            ],
        )  # fmt: skip
    table = bench(made)
    found = search(table)
    rows = found.due_rows(SEEN, None, 10)
    assert rows is not None
    histogram = found.histogram_of(rows, ListingModel())
    assert (histogram.due, histogram.undated) == (5, 1)
    near = [bucket for bucket in histogram.buckets if bucket.start < at[3] + HOUR]
    assert sum(bucket.rows for bucket in near) == 4
    # the last due row is alone, so its bucket has it and nothing else
    assert (histogram.buckets[-1].rows, histogram.buckets[-1].due) == (1, 1)
    assert sum(bucket.rows for bucket in histogram.buckets[:-1]) > 300


def test_rows_without_a_time_need_no_count(shop: Callable, bench: Callable) -> None:
    """They can only be retrieved."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending", created=None)
    found = search(bench(made))
    histogram = found.histogram_of(found.due_rows(SEEN, None, 10) or (), ListingModel())
    assert (histogram.buckets, histogram.undated) == ((), 1)


def test_rows_of_another_account_are_neither_found_nor_counted(
    shop: Callable, bench: Callable
) -> None:
    """Two accounts share the table, and each searches its own rows."""
    made = shop(columns={"account": ("account", "text")})
    for number, account in enumerate(("default", "other", "default")):
        made.insert(
            key=number,
            payment_intent=f"pi_{number}",
            status="pending",
            account=account,
            created=(SEEN + number * HOUR).isoformat(),
        )
    found = search(bench(made))
    rows = found.due_rows(SEEN, RECENT, 10)
    assert keys(rows) == ["0", "2"]
    histogram = found.histogram_of(rows or (), ListingModel())
    assert sum(bucket.rows for bucket in histogram.buckets) == 2


def test_a_search_of_what_is_due_reads_no_whole_table(shop: Callable, bench: Callable) -> None:
    """Its plan has the indexes of the table and of the rechecks, also before there are statistics on the rechecks."""
    made = shop()
    made.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
        " SELECT n, 'pi_' || n, 'pending', 1, 'eur', timestamptz '2026-11-01' - n * interval '1 minute'"
        " FROM generate_series(1, 20000) AS n"
    )
    made.execute("CREATE INDEX ON payments (created_at)")
    made.execute("CREATE INDEX ON payments (stripe_payment_intent_id)")
    made.execute("ANALYZE payments")
    table = bench(made)
    statements = search(table)._statements
    created = RECENT.created_since
    asked = b"EXPLAIN " + statements.among(TimeRange(created))
    parameters = {
        "account": "default",
        "open": ["pending"],
        "due_by": SEEN,
        "since": created,
        "intents": [f"pi_{number}" for number in range(100)],
        "limit": 10_001,
    }
    with psycopg.connect(made.url) as connection:
        plan = "\n".join(row[0] for row in connection.execute(asked, parameters))
    assert "Seq Scan on payments" not in plan
    assert "Seq Scan on rechecks" not in plan
